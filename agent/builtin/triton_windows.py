"""Sliding windows as expressions: every element of a window is read where it is needed. Pooling has such windows, and
a convolution of each channel by itself.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable

from agent.builtin.expr import Expr
from agent.builtin.index import Index, of
from agent.builtin.lowering import Lowering, Node, Unsupported, Value, Window

MOST = 64
"""Elements of a window that are written out."""
FEW = 16
"""Of a convolution whose results are computed where they are read; those of a larger one are written down."""


def unrolled(low: Lowering, window: Window, shape: tuple[int, ...]) -> Value:
    """The pointwise value of a window. Raises Unsupported for large ones."""
    if math.prod(window.kernel) > MOST:
        raise Unsupported(f"windows of more than {MOST} elements in Triton")
    value = window.value
    if window.kind == "amax" and value.kind == "i64":
        raise Unsupported("the largest integer of a window in Triton")
    make, rank = low.exprs, len(window.kernel)
    nothing = make.const(-math.inf if window.kind == "amax" else 0, value.kind)
    join = "maximum" if window.kind == "amax" else "add"
    weight, bias = window.weight, window.bias

    def element(index: list[Index], steps: tuple[int, ...]) -> Expr:
        if weight is None:
            return read(index, steps)
        each = weight.shape[0] // value.shape[1]  # channels out of each channel in
        where = [index[0], index[1] if each == 1 else index[1].over(each), *index[2:]]
        return make.call("mul", value.kind, read(where, steps), weight.at([index[1], of(0), *map(of, steps)]))

    def read(index: list[Index], steps: tuple[int, ...]) -> Expr:
        where, tests = list(index[:-rank]), []
        facts = zip(
            index[-rank:], steps, value.shape[-rank:], window.stride, window.padding, window.dilation, strict=True
        )
        for i, step, size, stride, padding, dilation in facts:
            at = i * stride + (step * dilation - padding)
            below, above = at.bounds()
            if below < 0:
                tests.append(make.call("ge", "b8", make.index(at), make.const(0, "i64")))
            if above >= size:
                tests.append(make.call("lt", "b8", make.index(at), make.const(size, "i64")))
            where.append(at)
        if not tests:
            return value.at(where)
        inside = tests[0]
        for test in tests[1:]:
            inside = make.call("and", "b8", inside, test)
        make.guards.append(inside)
        found = value.at(where)
        make.guards.pop()
        return make.where(inside, found, nothing)

    def joined(parts: Iterable[Expr]) -> Expr:
        return functools.reduce(lambda total, part: make.call(join, value.kind, total, part), parts)

    def column(index: list[Index], last: int) -> Expr:
        return joined(element(index, (*steps, last)) for steps in itertools.product(*map(range, window.kernel[:-1])))

    def at(index: list[Index]) -> Expr:  # by columns, since neighbouring windows share whole ones
        columns = (column(index, last) for last in range(window.kernel[-1]))
        return joined(columns if bias is None else itertools.chain([bias.at([index[1]])], columns))

    return Value(shape, value.dtype, at)


def depthwise(
    low: Lowering, node: Node, x: Value, weight: Value, bias: Value | None, stride: list[int], padding: list[int],
    dilation: list[int], transposed: bool, _output_padding: list[int], groups: int,
) -> Value | None:  # fmt: skip
    """A convolution of each channel by itself; None for any other, or a large one."""
    kernel = weight.shape[2:]
    is_batch = len(x.shape) == len(weight.shape)
    if transposed or not is_batch or not groups == x.shape[1] > 1 or math.prod(kernel) > MOST:
        return None
    if not x.dtype == weight.dtype == node.dtype or x.kind != "f32":
        return None
    window = Window("sum", x, kernel, tuple(stride), tuple(padding), tuple(dilation), weight, bias)
    if math.prod(kernel) <= FEW:
        return unrolled(low, window, node.shape)
    return low.define(node.shape, node.dtype, window)
