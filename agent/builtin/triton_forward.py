"""The Python half of a Triton candidate: ``ModelNew``, whose forward launches the kernels and calls BLAS.

A launch costs as much as many kernels do, so forward is written out: shapes, strides and grids are literals.
"""

from __future__ import annotations

from agent.builtin.expr import Buffer
from agent.builtin.forward import attribute_text, literal_text, result_text
from agent.builtin.lowering import Lowering
from agent.builtin.triton_nests import Kernel

HEAD = '''\


class ModelNew(Model):
    """Model with a generated forward; shapes, layouts and gradients it was not made for go to Model's own."""

    def forward(self, *inputs, **named):'''


def write_forward(low: Lowering, steps: list[str | Kernel], used: list[Buffer], outputs: list[Buffer]) -> str:
    """Python text; a step is a line of forward or a kernel to launch."""
    users = [b for b in low.inputs if b.origin == "user"]
    held = [b for b in low.inputs if b.origin in ("parameter", "buffer") and b in used]
    constants = [b for b in low.inputs if b.origin == "constant" and b in used]
    made = [
        f"constant_{b.name} = torch.tensor({literal_text(b)}, dtype=torch.{b.dtype}).reshape({tuple(b.shape)})"
        for b in constants
    ]
    body = [
        f"if named or len(inputs) != {len(users) + low.other_inputs}:",
        "    return super().forward(*inputs, **named)",
        *(f"{b.name} = inputs[{b.target}]" for b in users),
        *_guard(users, held, used),
    ]
    placed = [b for b in [*users, *held] if b in used]
    device = f"{placed[0].name}.device" if placed else "DEVICE"
    body += [f"{b.name} = _constant(constant_{b.name}, {device})" for b in constants]
    fresh = [b for b in dict.fromkeys([*used, *outputs]) if b.definition is not None]
    called = {line.partition(" = ")[0] for line in steps if isinstance(line, str)}
    for buffer in fresh:
        if buffer.name not in called:
            facts = f"{tuple(buffer.shape)}, dtype=torch.{buffer.dtype}, device={device}"
            body.append(f"{buffer.name} = torch.empty({facts})")
    for step in steps:
        body += [step] if isinstance(step, str) else _launch(step, device)
    body.append(f"return {result_text(low.outputs)}")
    head = ['DEVICE = "cuda"', *made]
    if made:
        head += ["", "", "def _constant(tensor, device):", "    return tensor.to(device, non_blocking=True)"]
    return "\n".join(head) + HEAD + "\n" + "\n".join(f"        {line}" for line in body) + "\n"


def _guard(users: list[Buffer], held: list[Buffer], used: list[Buffer]) -> list[str]:
    """Lines that fetch what the module holds and leave for Model's own forward where anything differs."""
    lines = []
    if users:
        tests = " and ".join(f"isinstance({b.name}, torch.Tensor)" for b in users)
        lines += [f"if not ({tests}):", "    return super().forward(*inputs)"]
    lines += [f"{b.name} = {attribute_text(b.target)}" for b in held]
    expected = [b for b in [*users, *held] if b in used]
    if not expected:
        return lines
    first = expected[0].name
    here = f"{first}.device.type == DEVICE and not {first}.device.index"  # a launch goes to the current device
    facts = []
    for b in expected:
        facts.append(f"{b.name}.shape == {tuple(b.shape)} and {b.name}.stride() == {tuple(b.strides)}")
        facts.append(f"{b.name}.dtype is torch.{b.dtype}")
        facts.append(here if b.name == first else f"{b.name}.device == {first}.device")
    asks = " or ".join(f"{b.name}.requires_grad" for b in expected)
    joined = "\n    and ".join(facts)
    return [
        *lines,
        *f"if not (\n    {joined}\n):".splitlines(),
        "    return super().forward(*inputs)",
        f"if torch.is_grad_enabled() and ({asks}):",
        "    return super().forward(*inputs)",
    ]


def _launch(kernel: Kernel, device: str) -> list[str]:
    lines = [
        f"{name} = torch.empty({shape}, dtype=torch.{dtype}, device={device})"
        for name, (shape, dtype) in kernel.partials.items()
        if kernel.name.endswith("_0") or not _made_before(kernel, name)
    ]
    grid = ", ".join(map(str, kernel.grid))
    options = "".join(f", {name}={value}" for name, value in kernel.options.items())
    return [*lines, f"{kernel.name}[({grid},)]({', '.join(kernel.arguments)}{options})"]


def _made_before(kernel: Kernel, name: str) -> bool:
    """Whether an earlier kernel of the nest wrote this memory: a kernel that does so stores to it."""
    return not any(line.strip().startswith(f"tl.store({name} + ") for line in kernel.lines)
