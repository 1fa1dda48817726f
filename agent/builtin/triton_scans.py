"""Triton kernels for running sums, products and extremes, and what is computed from them.

A row is swept in tiles. Where rows lie across memory a thread runs along a few elements of its own, so that nothing
goes from thread to thread but what such a stretch amounts to. Where rows are too few, programs share them: one kernel
finds what each chunk amounts to, a second one starts each chunk with what all before it amount to.
"""

from __future__ import annotations

from agent.builtin import triton_text as text
from agent.builtin.cexpr import SIZE
from agent.builtin.expr import Buffer, Expr, walk
from agent.builtin.index import unflatten
from agent.builtin.schedule import Loop, Traced
from agent.builtin.triton_layout import warps
from agent.builtin.triton_nests import Kernel, NestKernels, Pass
from agent.builtin.triton_orders import VECTOR_BYTES
from agent.builtin.triton_plan import TritonPlan
from agent.builtin.triton_reducers import Lanes
from agent.builtin.triton_writing import TileWriter
from agent.builtin.writing import indent

JOIN = {"sum": "kw_sum", "prod": "kw_product", "amax": "kw_maximum_wide", "amin": "kw_minimum_wide"}
REGISTERS = 1 << 16
"""Of a processor."""
MANY = 512
"""Threads of which a processor holds two programs only where each is kept to its half of the registers."""


class ScanKernels(NestKernels):
    """Writes the kernels of a nest around a scan: the dimension that is run along is a row's."""

    def __init__(self, traced: Traced, stored: set[Buffer], plan: TritonPlan, name: str) -> None:
        *lead, along, across = traced.loops
        run = Traced(traced.nest, traced.maker, [*lead, Loop(along.var, True), across], dict(traced.exprs))
        special = traced.nest.special
        assert special is not None
        super().__init__(run, stored, plan, name)
        self.special = special
        self.value: Expr = special.definition.value.at(unflatten(run.flat, special.definition.value.shape))
        every = frozenset(loop.var for loop in run.loops if loop.var.size > 1)
        self.exprs[special] = self.found = run.maker.result(special, every)
        spans = bool(self.value.variables & set(self.reduced))
        self.lanes = Lanes(special.definition.kind, self.value, "0", self.layout.axis, plan.exact, spans)
        self.join = JOIN[special.definition.kind]
        self.chunks = Pass([self.lanes])
        """What a chunk of a row amounts to."""

    def write(self) -> list[Kernel]:
        """The kernels of the nest."""
        if self.layout.mode == "whole":
            return [self._at_once()]
        return [self._run()] if self.layout.mode == "sweep" else [self._chunks(), self._run()]

    def partials(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """See ``NestKernels``."""
        layout, wide = self.layout, self.lanes.wide.removeprefix("tl.")
        return {f"{self.name}_a0": ((layout.splits, layout.row_count), wide)}

    def _at_once(self) -> Kernel:
        writer = self.writer()
        lines = [*self.head(), *self.columns()]
        self._element(writer)
        writer.inner.append(f"y = tl.associative_scan(x, {self.layout.axis}, {self.join})")
        self._stores(writer)
        kernel = self.kernel(writer, "", lines + writer.outer, (self.layout.tiles,))
        room, threads = self.layout.rows * self.layout.columns, 32 * kernel.options["num_warps"]
        loads = [n for n in walk([self.value]) if n.op == "load" and n.variables & set(self.reduced)]
        if threads == MANY and room == 32 * threads and len(loads) == 1 and self.lanes.wide == "tl.float32":
            kernel.options["maxnreg"] = REGISTERS // (2 * threads)
        return kernel

    def _chunks(self) -> Kernel:
        """What each chunk amounts to; nothing comes after the last one."""
        writer = self.writer()
        lines = [*self.head(), *self.share()]
        self.sweep(writer, self.chunks, "s", "e")
        self.keep(writer, self.chunks)
        return self.kernel(writer, "_0", lines + writer.outer, (self.layout.tiles, self.layout.splits - 1))

    def _run(self) -> Kernel:
        """A loop over the tiles of a row or chunk, each with what came before it."""
        layout, lanes, deep = self.layout, self.lanes, self._deep()
        shared = bool(layout.chunk)
        writer, lines = self.writer(), self.head()
        if shared:
            lines += self.share()
            self.combine(writer, self.chunks, "tl.program_id(1)")
            writer.outer.append(f"carry = a0{'[None, :, :]' if deep else ''}")
        else:
            shape = f"(1, 1, {layout.rows})" if deep else layout.shape(1)
            writer.outer.append(f"carry = tl.full({shape}, {lanes.start}, {lanes.wide})")
        first, end = ("s", "e") if shared else ("0", str(layout.length))
        writer.open()
        self._element(writer)
        writer.inner += self._joined_deep() if deep else self._joined()
        self._stores(writer)
        body = self.columns("o", end, self._stretches(deep) if deep else "") + writer.close()
        exprs = [self.value, *(self.exprs[b] for b in self.passes[0].stores)]
        lines += [*writer.outer, self.loop(first, end, exprs), *indent(body, 4)]
        grid = (layout.tiles, layout.splits) if shared else (layout.tiles,)
        return self.kernel(writer, "_1" if shared else "", lines, grid)

    def _stretches(self, deep: int) -> str:
        """Where the elements of a tile are, each thread's along the first axis, one thread's next to another's."""
        return (
            f"tl.arange(0, {self.layout.columns // deep})[None, :, None] * {deep} + tl.arange(0, {deep})[:, None, None]"
        )

    def _deep(self) -> int:
        """Elements along a row that one thread runs along, as a tile's first axis; 0: no such axis."""
        layout = self.layout
        if layout.axis == 1:
            return 0
        sizes = [SIZE[n.payload[0].dtype] for n in walk([self.value]) if n.op == "load"]
        beside = min(VECTOR_BYTES // min(sizes, default=VECTOR_BYTES), layout.rows)
        stretches = max(1, 32 * warps(layout, self.plan) * beside // layout.rows)
        return max(1, layout.columns // stretches)

    def _element(self, writer: TileWriter) -> None:
        value = writer.emit(self.value)
        lanes = self.lanes
        writer.inner.append(f"x = tl.where({writer.tile_mask or 'j >= 0'}, {value}, {lanes.start}).to({lanes.wide})")
        writer.leaves[self.found] = f"y.to({text.TYPE[self.special.kind]})"

    def _joined(self) -> list[str]:
        axis, join = self.layout.axis, self.join
        return [
            f"y = {join}(carry, tl.associative_scan(x, {axis}, {join}))",
            f"carry = {join}(carry, tl.reduce(x, {axis}, {join}, keep_dims=True))",
        ]

    def _joined_deep(self) -> list[str]:
        """``w``: what each thread's stretch amounts to; ``b``: what those before it in the tile do."""
        join, lanes = self.join, self.lanes
        return [
            f"w = tl.reduce(x, 0, {join}, keep_dims=True)",
            f"_, b = tl.associative_scan((w, tl.full(w.shape, {lanes.start}, {lanes.wide})), 1, {join}_before)",
            f"y = {join}({join}(carry, b), tl.associative_scan(x, 0, {join}))",
            f"carry = {join}(carry, tl.reduce(w, 1, {join}, keep_dims=True))",
        ]

    def _stores(self, writer: TileWriter) -> None:
        if self.special in self.stored:
            self.store(writer, self.special, per_row=False)
        for buffer in self.passes[0].stores:
            self.store(writer, buffer, per_row=False)
