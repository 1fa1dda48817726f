"""The Python half of a candidate file: ``ModelNew``, whose forward joins the kernels and the BLAS calls."""

from __future__ import annotations

from typing import Any

from agent.builtin.expr import Buffer
from agent.builtin.lowering import Lowering, Unsupported

HELPERS = '''\


def _fits(expected):
    """Whether every tensor is as it was when the kernel was written, and no gradient is asked for."""
    for tensor, shape, stride, dtype in expected:
        if tensor.shape != shape or tensor.dtype != dtype or tensor.device.type != "cpu":
            return False
        if any(a != b for a, b, n in zip(tensor.stride(), stride, shape) if n > 1):
            return False
        if tensor.requires_grad and torch.is_grad_enabled():
            return False
    return True


class ModelNew(Model):
    """Model with a generated forward; shapes, layouts and gradients it was not made for go to Model's own."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._workspace = threading.local()

    def forward(self, *inputs, **named):'''


def write_forward(low: Lowering, steps: list[str], slots: dict[Buffer, int], outputs: list[Buffer]) -> str:
    """Python text; ``steps`` are lines of forward, ``#runN`` standing for a call of the N-th kernel."""
    users = [b for b in low.inputs if b.origin == "user"]
    held = [b for b in low.inputs if b.origin in ("parameter", "buffer") and b in slots]
    constants = [b for b in low.inputs if b.origin == "constant" and b in slots]
    made = [
        f"constant_{b.name} = torch.tensor({literal_text(b)}, dtype=torch.{b.dtype}).reshape({tuple(b.shape)})"
        for b in constants
    ]
    body = [
        f"if named or len(inputs) != {len(users) + low.other_inputs}:",
        "    return super().forward(*inputs, **named)",
    ]
    body += [f"{b.name} = inputs[{b.target}]" for b in users]
    body += _guard(users, held, constants, slots)
    body += _allocations(slots, outputs)
    body += _steps(steps, slots)
    body.append(f"return {result_text(low.outputs)}")
    head = ["import threading", "", "import torch", "", "library = load_library(SOURCE)", *made]
    return "\n".join(head) + HELPERS + "\n" + "\n".join(f"        {line}" for line in body) + "\n"


def _guard(users: list[Buffer], held: list[Buffer], constants: list[Buffer], slots: dict[Buffer, int]) -> list[str]:
    """Lines that fetch what the module holds and leave for Model's own forward where anything differs."""
    lines = []
    if users:
        names = ", ".join(b.name for b in users)
        lines += [f"if not all(type(t) is torch.Tensor for t in ({names},)):", "    return super().forward(*inputs)"]
    lines += [f"{b.name} = {attribute_text(b.target)}" for b in held]
    lines += [f"{b.name} = constant_{b.name}" for b in constants]
    expected = [
        f"    ({b.name}, {tuple(b.shape)}, {tuple(b.strides)}, torch.{b.dtype})," for b in [*users, *held] if b in slots
    ]
    return [*lines, "expected = (", *expected, ")", "if not _fits(expected):", "    return super().forward(*inputs)"]


def attribute_text(path: str) -> str:
    """Python that reads a parameter or buffer by its path."""
    text = "self"
    for part in path.split("."):
        text = f"{text}.{part}" if part.isidentifier() else f"getattr({text}, {part!r})"
    return text


def literal_text(buffer: Buffer) -> str:
    """A small constant's elements as a Python list."""
    if buffer.values is None:
        raise Unsupported("it holds a large tensor that is neither a parameter nor a buffer")
    return "[" + ", ".join(_number(v) for v in buffer.values) + "]"


def _number(value: Any) -> str:
    return f"float('{value}')" if value != value or value in (float("inf"), float("-inf")) else repr(value)


def _allocations(slots: dict[Buffer, int], outputs: list[Buffer]) -> list[str]:
    made = [b for b in slots if b.definition is not None]
    lines = [f"{b.name} = {_allocation(b)}" for b in made if b in outputs]
    temporary = [b for b in made if b not in outputs]
    if temporary:  # kept from call to call, one set a thread: they never leave forward
        names = ", ".join(b.name for b in temporary)
        fresh = ", ".join(_allocation(b) for b in temporary)
        lines += [
            "if not hasattr(self._workspace, 'tensors'):",
            f"    self._workspace.tensors = ({fresh},)",
            f"({names},) = self._workspace.tensors",
        ]
    return lines


def _allocation(buffer: Buffer) -> str:
    return f"torch.empty({tuple(buffer.shape)}, dtype=torch.{buffer.dtype})"


def _steps(steps: list[str], slots: dict[Buffer, int]) -> list[str]:
    runs = [line for line in steps if line.startswith("#run")]
    if not runs:
        return list(steps)
    pointers = ", ".join(f"{b.name}.data_ptr()" for b in slots)
    lines = [f"pointers = (ctypes.c_void_p * {len(slots)})({pointers})", "status = ctypes.c_int64(0)"]
    for line in steps:
        lines.append(f"library.run{line[4:]}(pointers, ctypes.byref(status))" if line in runs else line)
    return [*lines, "if status.value:", '    raise IndexError("index out of range in a generated kernel")']


def result_text(tree: Any) -> str:
    """What forward returns, as Python."""
    if "buffer" in tree:
        return str(tree["buffer"].name)
    if "value" in tree:
        return repr(tree["value"])
    if "dict" in tree:
        return "{" + ", ".join(f"{k!r}: {result_text(v)}" for k, v in tree["dict"].items()) + "}"
    kind = "tuple" if "tuple" in tree else "list"
    inner = ", ".join(result_text(t) for t in tree[kind])
    return f"({inner},)" if kind == "tuple" else f"[{inner}]"
