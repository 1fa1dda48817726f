"""Triton kernels for running sums, products and extremes, and what is computed from them."""

from __future__ import annotations

from dataclasses import replace

from agent.builtin import triton_text as text
from agent.builtin.expr import Buffer, Expr
from agent.builtin.index import unflatten
from agent.builtin.schedule import Loop, Traced
from agent.builtin.triton_nests import Kernel, NestKernels
from agent.builtin.triton_plan import TritonPlan
from agent.builtin.triton_writing import TileWriter
from agent.builtin.writing import indent

JOIN = {"sum": "kw_sum", "prod": "kw_product", "amax": "kw_maximum_wide", "amin": "kw_minimum_wide"}


class ScanKernels(NestKernels):
    """Writes the kernel of a nest around a scan: the dimension that is run along is a row's."""

    def __init__(self, traced: Traced, stored: set[Buffer], plan: TritonPlan, name: str) -> None:
        *lead, along, across = traced.loops
        run = Traced(traced.nest, traced.maker, [*lead, Loop(along.var, True), across], dict(traced.exprs))
        special = traced.nest.special
        assert special is not None
        super().__init__(run, stored, replace(plan, split=False), name)
        self.special = special
        self.value: Expr = special.definition.value.at(unflatten(run.flat, special.definition.value.shape))
        every = frozenset(loop.var for loop in run.loops if loop.var.size > 1)
        self.exprs[special] = self.found = run.maker.result(special, every)

    def write(self) -> list[Kernel]:
        """The kernel of the nest."""
        layout, kind = self.layout, self.special.definition.kind
        writer = self.writer()
        lines = self.head()
        wide = text.TYPE[self.value.kind]
        if self.plan.exact and self.value.kind == "f32" and kind in ("sum", "prod"):
            wide = "tl.float64"
        start = {"sum": "0", "prod": "1"}.get(kind) or _lowest(kind, self.value.kind)
        if layout.mode == "whole":
            lines += self.columns()
            self._scanned(writer, wide, start)
            self._stores(writer)
            return [self.kernel(writer, "", lines + writer.outer, (layout.tiles,))]
        shape = f"({layout.rows}, 1)" if layout.axis == 1 else f"(1, {layout.rows})"
        writer.open()
        self._scanned(writer, wide, start)
        writer.inner += [
            f"y = {JOIN[kind]}(carry, y)",
            f"carry = {JOIN[kind]}(carry, tl.reduce(x, {layout.axis}, {JOIN[kind]}, keep_dims=True))",
        ]
        self._stores(writer)
        body = self.columns("o") + writer.close()
        loop = f"for o in range(0, {layout.length}, {layout.columns}):"
        carry = f"carry = tl.full({shape}, {start}, {wide})"
        return [self.kernel(writer, "", [*lines, *writer.outer, carry, loop, *indent(body, 4)], (layout.tiles,))]

    def _scanned(self, writer: TileWriter, wide: str, start: str) -> None:
        value = writer.emit(self.value)
        join = JOIN[self.special.definition.kind]
        writer.inner += [
            f"x = tl.where({writer.tile_mask or 'j >= 0'}, {value}, {start}).to({wide})",
            f"y = tl.associative_scan(x, {self.layout.axis}, {join})",
        ]
        writer.leaves[self.found] = f"y.to({text.TYPE[self.special.kind]})"

    def _stores(self, writer: TileWriter) -> None:
        if self.special in self.stored:
            self.store(writer, self.special, per_row=False)
        for buffer in self.passes[0].stores:
            self.store(writer, buffer, per_row=False)


def _lowest(kind: str, of: str) -> str:
    if of == "i64":
        return str(-(2**63) if kind == "amax" else 2**63 - 1)
    return f'float("{"-" if kind == "amax" else ""}inf")'
