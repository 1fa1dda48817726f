"""The Triton candidate file: the user's module, the generated kernels, and a forward that joins them."""

from __future__ import annotations

import re
from typing import Any

from agent.builtin.expr import Buffer
from agent.builtin.index import strides_of
from agent.builtin.lowering import External, Lowering, Pointwise, Scan, Unsupported, Window
from agent.builtin.ops_nn import load_handlers
from agent.builtin.program import leaves_of, strided_text, with_leaves
from agent.builtin.schedule import Call, Step, Traced, loads, schedule, special_reads, trace
from agent.builtin.triton_dot import DotKernel, fused_products, give_products_readers, is_ours
from agent.builtin.triton_foreign import foreign
from agent.builtin.triton_forward import write_forward
from agent.builtin.triton_nests import Kernel, NestKernels
from agent.builtin.triton_plan import TritonPlan
from agent.builtin.triton_scans import ScanKernels
from agent.builtin.triton_stretches import StretchKernels, side_by_side
from agent.builtin.triton_text import BLOCKS
from agent.builtin.triton_tiles import TileKernels, tile_axes
from agent.builtin.triton_windows import unrolled


def generate_triton(graph: dict[str, Any], problem_source: str, plan: TritonPlan) -> str:
    """The candidate file for an operator graph. Raises Unsupported with the operator that is outside the families."""
    load_handlers()
    low = Lowering(graph, foreign)
    for buffer in low.buffers:
        if isinstance(buffer.definition, Window):
            buffer.definition = Pointwise(unrolled(low, buffer.definition, buffer.shape))
        elif isinstance(buffer.definition, Scan) and buffer.shape[buffer.definition.dim] == 1:
            buffer.definition = Pointwise(buffer.definition.value)
    low.buffers = [b for b in low.buffers if b.numel]  # what has no elements is allocated, and that is all
    outputs = list(leaves_of(low.outputs))
    if not outputs:
        raise Unsupported("it returns no tensor")
    _give_views(low, outputs, plan)
    if plan.dot and (copies := give_products_readers(low, outputs)):
        low.outputs = with_leaves(low.outputs, copies)
        outputs = list(leaves_of(low.outputs))
    steps = schedule(low, crossing=False)
    traced = [None if isinstance(s, Call) else _traced(low, s) for s in steps]
    products = fused_products(low, steps, traced, outputs) if plan.dot else {}
    inside = {product.call for product in products.values()}
    stored = _stored(low, steps, traced, outputs)
    used: dict[Buffer, None] = {}
    done: list[str | Kernel] = []
    for number, (step, nest) in enumerate(zip(steps, traced, strict=True)):
        if isinstance(step, Call) and step.buffer in inside:
            continue
        if isinstance(step, Call):
            used.update(dict.fromkeys([*(v.buffer for v in step.buffer.definition.args), step.buffer]))
            done.append(_call_text(step.buffer))
        elif nest is not None and any(b in stored for b, _ in step.members):
            if number in products:
                kernels = [DotKernel(products[number], stored, plan, f"k{number}").write()]
            else:
                kernels = _nest_kernels(nest, stored, plan, f"k{number}")
            done += kernels
            used.update(dict.fromkeys(b for kernel in kernels for b in kernel.uses))
    if not any(isinstance(step, Kernel) for step in done):
        raise Unsupported(next((s.buffer.definition.op for s in steps if isinstance(s, Call)), "it computes nothing"))
    return _assemble(low, problem_source, plan, done, list(used), outputs)


def _give_views(low: Lowering, outputs: list[Buffer], plan: TritonPlan) -> None:
    """What torch computes and a result only has in another shape is given as such, and not copied."""
    given = set(outputs)
    for buffer in dict.fromkeys(outputs):
        view = low.as_view(buffer.definition.value) if isinstance(buffer.definition, Pointwise) else None
        if view is None or view.buffer in given or not isinstance(view.buffer.definition, External):
            continue
        is_whole = view.strides == strides_of(view.shape) and view.buffer.numel == buffer.numel
        if is_whole and not (plan.dot and is_ours(view.buffer)):
            buffer.definition = External("view", (view,), "{0}")
            given.add(view.buffer)


def _nest_kernels(nest: Traced, stored: set[Buffer], plan: TritonPlan, name: str) -> list[Kernel]:
    if nest.nest.special is not None:
        return ScanKernels(nest, stored, plan, name).write()
    axes = tile_axes(nest, stored, plan)
    if axes is not None:
        return TileKernels(nest, stored, plan, name, axes).write()
    count = side_by_side(nest, stored, plan)
    if count:
        return StretchKernels(nest, stored, plan, name, count).write()
    return NestKernels(nest, stored, plan, name).write()


def _traced(low: Lowering, step: Step) -> Traced:
    assert not isinstance(step, Call)
    if step.special is not None and not isinstance(step.special.definition, Scan):
        raise Unsupported("bags of uneven length in Triton")
    nest = trace(low, step)
    assert nest is not None
    return nest


def _stored(low: Lowering, steps: list[Step], traced: list[Traced | None], outputs: list[Buffer]) -> set[Buffer]:
    """Computed buffers that must exist in memory: results, and what another step reads."""
    needed = set(outputs)
    for step, nest in zip(steps, traced, strict=True):
        if isinstance(step, Call):
            needed |= {s.buffer for s in step.buffer.definition.args}
            needed.add(step.buffer)
        elif nest is not None:
            needed |= loads(list(nest.exprs.values()))
            if nest.nest.special is not None:
                needed |= special_reads(low, nest.nest.special)
    return {b for b in needed if b.definition is not None}


def _call_text(buffer: Buffer) -> str:
    views = [strided_text(v) for v in buffer.definition.args]
    if buffer.definition.template:
        return f"{buffer.name} = {buffer.definition.template.format(*views)}"
    args = ", ".join(views)
    return f"{buffer.name} = torch.{buffer.definition.op}({args})"


def _assemble(
    low: Lowering, problem: str, plan: TritonPlan, steps: list[str | Kernel], used: list[Buffer], outputs: list[Buffer]
) -> str:
    kernels = ["\n".join(step.lines) for step in steps if isinstance(step, Kernel)]
    code = "\n\n\n".join(kernels)
    helpers = [block.rstrip() for name, block in BLOCKS.items() if re.search(rf"\b{name}\b", code)]
    imports = ["import torch"]
    if kernels:
        imports += ["import triton", "import triton.language as tl"]
    if "libdevice." in code:
        imports.append("from triton.language.extra import libdevice")
    return "\n".join(
        [
            problem.rstrip(),
            "",
            "",
            "# Below: generated by kernelwright's builtin model from the operator graph of Model.",
            f"# {plan}",
            *imports,
            *(f"\n\n{part}" for part in [*helpers, *kernels]),
            "",
            "",
            write_forward(low, steps, used, outputs),
        ]
    )
