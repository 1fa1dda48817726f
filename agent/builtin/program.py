"""The candidate file: the user's module, the generated C++, and a forward that joins them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.builtin import cblocks
from agent.builtin.expr import Buffer
from agent.builtin.forward import write_forward
from agent.builtin.lowering import Lowering, Strided, Unsupported
from agent.builtin.ops_nn import load_handlers
from agent.builtin.plan import Plan
from agent.builtin.schedule import Call, Step, Traced, loads, schedule, special_reads, trace
from agent.builtin.shapes import write_nest
from agent.builtin.specials import write_special
from tools.languages.cpp import LOADER


@dataclass
class _Parts:
    functions: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    runs: list[list[str]] = field(default_factory=list)
    used: list[Buffer] = field(default_factory=list)


def generate(graph: dict[str, Any], problem_source: str, plan: Plan, threads: int) -> str:
    """The candidate file for an operator graph. Raises Unsupported with the operator that is outside the families."""
    load_handlers()
    low = Lowering(graph)
    steps = schedule(low)
    outputs = list(leaves_of(low.outputs))
    if not outputs:
        raise Unsupported("it returns no tensor")
    traced = [None if isinstance(s, Call) else trace(low, s) for s in steps]
    stored = _stored(low, steps, traced, outputs)
    parts = _Parts()
    for number, (step, nest) in enumerate(zip(steps, traced, strict=True)):
        if isinstance(step, Call):
            parts.runs.append([])
            parts.body.append(_call_text(step.buffer, parts))
            continue
        assert nest is not None
        write = write_special if step.special is not None else write_nest
        text, used = write(nest, stored, plan, threads, f"k{number}")
        if not any(b.definition is not None and b in stored for b, _ in step.members):
            continue
        parts.functions.append("\n".join(text))
        if not parts.body or not parts.body[-1].startswith("#run"):
            parts.runs.append([])
            parts.body.append(f"#run{len(parts.runs) - 1}")
        parts.runs[-1].append(f"k{number}")
        parts.used += [b for b in sorted(used, key=lambda b: b.name) if b not in parts.used]
    return _assemble(low, problem_source, plan, parts, outputs)


def leaves_of(tree: Any) -> list[Buffer]:
    """The buffers of an output tree, in order."""
    if "buffer" in tree:
        return [tree["buffer"]]
    if "value" in tree:
        return []
    inner = tree.get("dict", {}).values() if "dict" in tree else tree.get("tuple", tree.get("list", []))
    return [b for t in inner for b in leaves_of(t)]


def with_leaves(tree: Any, others: Mapping[Buffer, Buffer]) -> Any:
    """The tree with some of its buffers replaced."""
    if "buffer" in tree:
        return {**tree, "buffer": others.get(tree["buffer"], tree["buffer"])}
    if "dict" in tree:
        return {**tree, "dict": {key: with_leaves(inner, others) for key, inner in tree["dict"].items()}}
    names = [name for name in ("tuple", "list") if name in tree]
    return {**tree, **{name: [with_leaves(inner, others) for inner in tree[name]] for name in names}}


def _stored(low: Lowering, steps: list[Step], traced: list[Traced | None], outputs: list[Buffer]) -> set[Buffer]:
    """Computed buffers that must exist in memory: results, and what another step reads."""
    needed = set(outputs)
    for step, nest in zip(steps, traced, strict=True):
        if isinstance(step, Call):
            needed |= {s.buffer for s in step.buffer.definition.args}
            needed.add(step.buffer)
            continue
        assert nest is not None
        needed |= loads(list(nest.exprs.values()))
        if step.special is not None:
            needed |= special_reads(low, step.special)
    return {b for b in needed if b.definition is not None}


def strided_text(view: Strided) -> str:
    """A view of a buffer, as Python."""
    buffer = view.buffer
    if (view.shape, view.offset) == (buffer.shape, 0) and view.strides == buffer.strides:
        return buffer.name
    if (
        len(view.shape) == 2
        and view.offset == 0
        and view.shape[::-1] == buffer.shape
        and view.strides[::-1] == buffer.strides
    ):
        return f"{buffer.name}.t()"
    return (
        f"torch.as_strided({buffer.name}, {view.shape}, {view.strides}, {buffer.name}.storage_offset() + {view.offset})"
    )


def _call_text(buffer: Buffer, parts: _Parts) -> str:
    definition = buffer.definition
    for view in definition.args:
        if view.buffer not in parts.used:
            parts.used.append(view.buffer)
    if buffer not in parts.used:
        parts.used.append(buffer)
    args = ", ".join(strided_text(v) for v in definition.args)
    return f"torch.{definition.op}({args}, out={buffer.name})"


def _assemble(low: Lowering, problem: str, plan: Plan, parts: _Parts, outputs: list[Buffer]) -> str:
    slots = {b: n for n, b in enumerate(parts.used)}
    for buffer in outputs:
        slots.setdefault(buffer, len(slots))
    return "\n".join(
        [
            problem.rstrip(),
            "",
            "",
            "# Below: generated by kernelwright's builtin model from the operator graph of Model.",
            f"# {plan}",
            LOADER.rstrip(),
            "",
            "",
            'SOURCE = r"""',
            _cpp(parts, slots).rstrip(),
            '"""',
            "",
            write_forward(low, parts.body, slots, outputs),
        ]
    )


def _cpp(parts: _Parts, slots: dict[Buffer, int]) -> str:
    code = "\n\n".join(parts.functions)
    for buffer, number in slots.items():
        code = code.replace(f"SLOT_{buffer.name}]", f"{number}]")
    entries = [
        f'extern "C" void run{n}(void *const *p, int64_t *status) {{ '
        + " ".join(f"{k}(p, status);" for k in run)
        + " }"
        for n, run in enumerate(parts.runs)
        if run
    ]
    blocks = cblocks.needed_blocks(code)
    return "\n".join([cblocks.HEADER, blocks, code, "", *entries])
