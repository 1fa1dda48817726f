"""Sliding windows as expressions: every element of a window is read where it is needed."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable

from agent.builtin.expr import Expr
from agent.builtin.index import Index
from agent.builtin.lowering import Lowering, Unsupported, Value, Window

MOST = 64
"""Elements of a window that are written out."""


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

    def element(index: list[Index], steps: tuple[int, ...]) -> Expr:
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
        read = value.at(where)
        make.guards.pop()
        return make.where(inside, read, nothing)

    def joined(parts: Iterable[Expr]) -> Expr:
        return functools.reduce(lambda total, part: make.call(join, value.kind, total, part), parts)

    def column(index: list[Index], last: int) -> Expr:
        return joined(element(index, (*steps, last)) for steps in itertools.product(*map(range, window.kernel[:-1])))

    def at(index: list[Index]) -> Expr:  # by columns, since neighbouring windows share whole ones
        return joined(column(index, last) for last in range(window.kernel[-1]))

    return Value(shape, value.dtype, at)
