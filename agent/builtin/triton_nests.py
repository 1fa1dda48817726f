"""Triton kernels for one nest: a flat domain, rows held whole, rows swept in a loop, or rows shared by programs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from agent.builtin import triton_text as text
from agent.builtin.cexpr import SIZE
from agent.builtin.expr import Buffer, Expr, walk
from agent.builtin.schedule import Traced
from agent.builtin.shorter import maxima, shortened
from agent.builtin.triton_layout import Layout, choose, warps
from agent.builtin.triton_online import OnlineLanes, online_pairs
from agent.builtin.triton_orders import by_vectors
from agent.builtin.triton_plan import TritonPlan
from agent.builtin.triton_reducers import PLACED, Lanes
from agent.builtin.triton_writing import TileWriter, decode
from agent.builtin.writing import indent

NARROW = 1 << 31
"""Positions below this fit 32 bits."""
STREAMED_BYTES = 1 << 22
"""Less than this may stay in the cache until it is read again."""
QUEUE_BYTES = 1 << 16
"""Shared memory that a program's loads under way may take: a processor has room for three such programs."""


@dataclass
class Kernel:
    """A kernel and its launch."""

    name: str
    lines: list[str]
    grid: tuple[int, ...]
    arguments: list[str]
    options: dict[str, int]
    partials: dict[str, tuple[tuple[int, ...], str]] = field(default_factory=dict)
    """Memory that hands results from program to program: shape and torch dtype."""
    uses: list[Buffer] = field(default_factory=list)


@dataclass
class Pass:
    """What is done in one sweep over the elements of a row."""

    reducers: list[Lanes] = field(default_factory=list)
    stores: list[Buffer] = field(default_factory=list)


class NestKernels:
    """Writes the kernels of one nest."""

    def __init__(self, traced: Traced, stored: set[Buffer], plan: TritonPlan, name: str) -> None:
        self.traced, self.stored, self.plan, self.name = traced, stored, plan, name
        self.exprs = traced.exprs
        self.roles = dict(traced.nest.members)
        self.kept = [loop.var for loop in traced.loops if not loop.reduced and loop.var.size > 1]
        self.reduced = [loop.var for loop in traced.loops if loop.reduced and loop.var.size > 1]
        self.layout: Layout = choose(traced, plan)
        self.place = [f"tl.program_id({axis})" for axis in ((1, 0) if self.layout.neighbours else (0, 1))]
        """Which rows a program has, and where programs share rows, which part of them."""
        self.written = [b for b, _ in traced.nest.members if b in stored]
        narrow = all(SIZE[b.dtype] <= 2 for b in self.written if b.kind in text.FLOATING)
        self.precise = not (plan.fast and narrow)
        if plan.fast:
            tops = maxima(self.exprs, [b for b, role in self.roles.items() if role == "reduce"])
            self.exprs = {b: shortened(root, traced.maker, tops, softplus=narrow) for b, root in self.exprs.items()}
        self.reducer_of: dict[Buffer, Lanes] = {}
        is_swept = self.layout.mode in ("sweep", "split")
        self.online = {b: pair for pair in online_pairs(traced) for b in (pair.top, pair.total)} if is_swept else {}
        self.passes: list[Pass] = []
        self._arrange()
        self.streams = plan.stream or (self.layout.mode == "sweep" and len(self.passes) > 1)

    def _level(self, expr: Expr) -> int:
        """Number of the pass in which an expression can be computed, from 0."""
        inner = [n.payload for n in walk([expr]) if n.op == "result" and n.payload in self.exprs]
        tops = [self.online[b].top if b in self.online else b for b in inner]
        return max((1 + self._level(self.exprs[b]) for b in tops), default=0)

    def _arrange(self) -> None:
        shared: dict[tuple[str, Expr], Lanes] = {}
        reduced = [b for b, role in self.roles.items() if role == "reduce"]
        placed = {(k, self.exprs[b]) for b in reduced for k, arg in PLACED.items() if b.definition.kind == arg}
        place = "tl.int64" if self.is_wide() else "tl.int32"
        for buffer, role in self.traced.nest.members:
            if role == "special":
                continue
            pair = self.online.get(buffer)
            expr = self.exprs[pair.top if pair else buffer]
            level = self._level(expr)
            while role in ("reduce", "full") and len(self.passes) <= level:
                self.passes.append(Pass())
            if role == "reduce":
                kind = "online" if pair else buffer.definition.kind
                kind = "moments" if kind in ("mean_of", "m2_of") else kind
                kind = PLACED[kind] if (kind, expr) in placed else kind
                spans = bool(expr.variables & set(self.reduced))
                known = (kind, expr, str(len(self.reducer_of)), self.layout.axis, self.plan.exact, spans, place)
                fresh = OnlineLanes(*known, pair.finite, self.plan.fast) if pair else Lanes(*known)
                self.reducer_of[buffer] = shared.setdefault((kind, expr), fresh)
                if self.reducer_of[buffer] is fresh:
                    self.passes[level].reducers.append(fresh)
            elif role == "full" and buffer in self.stored:
                self.passes[level].stores.append(buffer)
        self.passes = self.passes or [Pass()]

    # Pieces

    def writer(self) -> TileWriter:
        """A kernel begins."""
        layout = self.layout
        writer = TileWriter(frozenset(self.reduced), frozenset(self.kept), precise=self.precise)
        writer.row_mask = "rm" if layout.rows_masked else ""
        writer.tile_mask = "jm" if layout.columns_masked else ""
        if not self.reduced:
            writer.whole = (self.traced.flat, "r")
        return writer

    def head(self, first: str = "") -> list[str]:
        """Which rows this program has; from ``first`` where that is not told by its number alone."""
        layout = self.layout
        wide = ".to(tl.int64)" if self.is_wide() else ""
        across = "" if not self.reduced else "[:, None]" if layout.axis == 1 else "[None, :]"
        first = first or f"{self.place[0]}{wide} * {layout.rows}"
        lines = [f"r = {first} + tl.arange(0, {layout.rows}){across}"]
        if layout.rows_masked:
            lines.append(f"rm = r < {layout.row_count}")
        return lines + decode(self.kept, "r")

    def columns(self, first: str = "", end: str = "", lanes: str = "", *, in_runs: bool = False) -> list[str]:
        """Which elements of the rows are looked at; ``lanes``: where those of a tile are not in a line; ``in_runs``:
        only the last loop's variable differs within a tile.
        """
        layout = self.layout
        lanes = lanes or self.places()
        lanes = f"({lanes}).to(tl.int64)" if self.is_wide() else lanes
        lines = [f"j = {first} + {lanes}" if first else f"j = {lanes}"]
        if layout.columns_masked:
            lines.append(f"jm = j < {end or layout.length}")
        if not in_runs:
            return lines + decode(self.reduced, "j")
        *others, last = self.reduced
        return [*lines, *decode(others, f"({first} // {last.size})"), f"{last.name} = {first} % {last.size} + {lanes}"]

    def is_in_runs(self, step: Pass) -> bool:
        """Whether every tile of a sweep lies within one run of the last of several loops: what does not differ along
        that is then computed once a tile, and neighbours have neighbouring addresses.
        """
        layout = self.layout
        if len(self.reduced) < 2 or self.reduced[-1].size % layout.columns or layout.chunk % layout.columns:
            return False
        return all(self.reduced[-1] in reducer.expr.variables for reducer in step.reducers if reducer.spans)

    def places(self) -> str:
        """The elements of a tile along its rows."""
        return f"tl.arange(0, {self.layout.columns}){'[None, :]' if self.layout.axis == 1 else '[:, None]'}"

    def is_wide(self) -> bool:
        """Whether positions need 64 bits."""
        # An address is made without its constant, so that a negative one lets it grow first.
        reads = [n.payload[1] for n in walk(list(self.exprs.values())) if n.op == "load"]
        offsets = [at.bounds()[1] - min(at.const, 0) for at in reads]
        room = self.layout.rows * self.layout.columns
        return bool(max([self.traced.nest.numel, *offsets]) + room >= NARROW)

    def store(self, writer: TileWriter, buffer: Buffer, *, per_row: bool) -> None:
        """A result goes to memory."""
        expr = self.exprs[buffer]
        value = self.result(buffer) if self.roles[buffer] == "reduce" else writer.emit(expr)
        everything = writer.along | writer.across
        whole = per_row or not self.reduced
        mask = writer.mask(writer.across if whole else everything)
        at = "r" if whole else writer.index(self.traced.flat)
        if not self.kept and not whole:
            at = f"{at} + r * 0"
        masked = f", mask={mask}" if mask else ""
        target = writer.outer if whole else writer.inner
        target.append(f"tl.store({buffer.name} + ({at}), {value}{masked}{self.store_hint(buffer)})")

    def store_hint(self, buffer: Buffer) -> str:
        """What is said of stores to a buffer."""
        streams = self.streams and buffer.numel * SIZE[buffer.dtype] >= STREAMED_BYTES
        return ', cache_modifier=".cs"' if streams else ""

    def result(self, buffer: Buffer) -> str:
        """The finished value of a reduction."""
        return self.reducer_of[buffer].result(buffer.definition.kind)

    def finished(self, writer: TileWriter, number: int) -> None:
        """From here on the reductions of a pass can be read."""
        kept = frozenset(self.kept)
        for buffer, reducer in self.reducer_of.items():
            if reducer in self.passes[number].reducers:
                writer.leaves[self.traced.maker.result(buffer, kept)] = self.result(buffer)

    def row_stores(self, writer: TileWriter) -> None:
        """What is written once a row."""
        for buffer, role in self.traced.nest.members:
            if role in ("row", "reduce") and buffer in self.stored:
                self.store(writer, buffer, per_row=True)

    def kernel(self, writer: TileWriter, suffix: str, body: list[str], grid: tuple[int, ...]) -> Kernel:
        """The finished kernel."""
        layout = self.layout
        assigned = {b.name: b for b in [*writer.uses, *self.written]}
        spelled = "\n".join(body)
        used = [b for b in assigned.values() if f"({b.name} + " in spelled]
        name = f"{self.name}{suffix}"
        is_checked = "tl.device_assert" in spelled
        options = {"num_warps": warps(layout, self.plan)}
        if is_checked:
            options["sanitize_overflow"] = 0
        decorator = "@triton.jit(debug=True)" if is_checked else "@triton.jit"
        partials = sorted({p for p in self.partials() if f"({p} + " in spelled})
        arguments = [b.name for b in used] + partials
        lines = [decorator, f"def {name}({', '.join(arguments)}):", *indent(body, 4)]
        memory = {p: self.partials()[p] for p in partials}
        return Kernel(name, lines, grid, arguments, options, memory, used)

    # Whole kernels

    def write(self) -> list[Kernel]:
        """All kernels of the nest, in order."""
        if self.layout.mode == "split":
            return self._split()
        writer = self.writer()
        lines = self.head()
        if not self.reduced:
            for buffer in self.passes[0].stores:
                self.store(writer, buffer, per_row=False)
        elif self.layout.mode == "whole":
            lines += self.columns()
            for number, step in enumerate(self.passes):
                for reducer in step.reducers:
                    value = writer.emit(reducer.expr)
                    writer.outer += reducer.whole(value, writer.tile_mask, self.layout.length)
                self.finished(writer, number)
                for buffer in step.stores:
                    self.store(writer, buffer, per_row=False)
            self.row_stores(writer)
        else:
            length = self.layout.length
            for number, step in enumerate(self.passes):
                self.sweep(writer, step, "0", str(length))
                for reducer in step.reducers:
                    writer.outer += reducer.finish(self._lane_counts("0", length), f"{length}.0")
                self.finished(writer, number)
            self.row_stores(writer)
        return [self.kernel(writer, "", lines + writer.outer, (self.layout.tiles,))]

    def _lane_counts(self, first: str, end: int | str) -> str:
        """How many elements each lane of a swept row had."""
        columns = self.layout.columns
        return f"(tl.maximum({end} - {first} - {self.places()} + {columns - 1}, 0) // {columns})"

    def loop(self, first: str, end: str, exprs: list[Expr], *, in_runs: bool = False) -> str:
        """The head of a loop over tiles in which ``exprs`` are computed. What it reads is asked for some turns before,
        into shared memory: a compiler that counts registers has a thread wait for one load before it asks for the next.
        """
        layout = self.layout
        along = set(self.reduced[-1:] if in_runs else self.reduced)
        loads = [n for n in walk(exprs) if n.op == "load" and n.variables & along]
        size = sum(SIZE[n.payload[0].dtype] for n in loads) * layout.rows * layout.columns
        stages = min(self.plan.stages, 1 + QUEUE_BYTES // size) if loads else 1
        beside = self.kept if layout.axis == 0 else self.reduced
        if stages < 2 or not all(by_vectors(n, beside if n.variables & set(beside) else self.reduced) for n in loads):
            return f"for o in range({first}, {end}, {layout.columns}):"
        return f"for o in tl.range({first}, {end}, {layout.columns}, num_stages={stages}):"

    def sweep(self, writer: TileWriter, step: Pass, first: str, end: str) -> None:
        """A loop over the elements of a row tile from ``first`` to ``end``; leaves its accumulators unfinished."""
        layout = self.layout
        shapes = layout.shape(layout.columns), layout.shape(1)
        places = f"{first} + {self.places()}"
        starts = [line for reducer in step.reducers for line in reducer.begin(*shapes, places)]
        last = step is self.passes[-1]
        writer.hint = f', eviction_policy="evict_{"first" if last else "last"}"' if self.streams else ""
        writer.open()
        for reducer in step.reducers:
            value = writer.emit(reducer.expr)
            writer.inner += reducer.step(value, writer.tile_mask, f"((o - {first}) // {layout.columns} + 1)")
        for buffer in step.stores:
            self.store(writer, buffer, per_row=False)
        in_runs = self.is_in_runs(step)
        body = self.columns("o", end, in_runs=in_runs) + writer.close()
        writer.hint = ""
        exprs = [r.expr for r in step.reducers] + [self.exprs[b] for b in step.stores]
        writer.outer += [*starts, self.loop(first, end, exprs, in_runs=in_runs), *indent(body, 4)]

    def partials(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Memory between the kernels of rows that programs share."""
        layout = self.layout
        return {
            f"{self.name}_{name}": ((layout.splits, layout.row_count), kind.removeprefix("tl."))
            for step in self.passes
            for reducer in step.reducers
            for name, kind, _ in reducer.fields()
        }

    def share(self) -> list[str]:
        """Which part of its rows this program has."""
        layout = self.layout
        return [
            f"s = {self.place[1]}{'.to(tl.int64)' if self.is_wide() else ''} * {layout.chunk}",
            f"e = tl.minimum(s + {layout.chunk}, {layout.length})",
        ]

    def _split(self) -> list[Kernel]:
        layout = self.layout
        kernels = []
        count = len(self.passes) + bool(self.passes[-1].reducers)
        for number in range(count):
            writer = self.writer()
            lines = self.head()
            for earlier in range(number):
                self.combine(writer, self.passes[earlier])
                self.finished(writer, earlier)
            if number < len(self.passes):
                lines += self.share()
                self.sweep(writer, self.passes[number], "s", "e")
                self.keep(writer, self.passes[number])
            splits = layout.splits if number < len(self.passes) else 1
            grid = (splits, layout.tiles) if layout.neighbours else (layout.tiles, splits)
            if number == count - 1:
                if splits > 1:  # one of the programs that share a row writes what there is once a row
                    writer.row_mask = f"(r + {self.place[1]} * {layout.row_count} < {layout.row_count})"
                self.row_stores(writer)
            kernels.append(self.kernel(writer, f"_{number}", lines + writer.outer, grid))
        return kernels

    def keep(self, writer: TileWriter, step: Pass) -> None:
        """What this program found of its rows goes to memory."""
        mask = f", mask={writer.row_mask}" if writer.row_mask else ""
        for reducer in step.reducers:
            writer.outer += reducer.finish(self._lane_counts("s", "e"), "(e - s)")
            for name, _, _ in reducer.fields():
                at = f"{self.place[1]} * {self.layout.row_count} + r"
                writer.outer.append(f"tl.store({self.name}_{name} + ({at}), {name}{mask})")

    def combine(self, writer: TileWriter, step: Pass, before: str = "") -> None:
        """What all programs found of these rows, or those before one of them, put together: each is a lane."""
        layout = self.layout
        room = 1 << math.ceil(math.log2(layout.splits))
        along = "[None, :]" if layout.axis == 1 else "[:, None]"
        lines = [f"t = tl.arange(0, {room}){along}"]
        masks = [f"(t < {before or layout.splits})"] if before or room != layout.splits else []
        mask = " & ".join([*masks, *([writer.row_mask] if writer.row_mask else [])])
        for reducer in step.reducers:
            for name, _, start in reducer.fields():
                at = f"t * {layout.row_count} + r"
                masked = f", mask={mask}, other={start}" if mask else ""
                lines.append(f"{name} = tl.load({self.name}_{name} + ({at}){masked})")
            counts = f"tl.minimum(tl.maximum({layout.length} - t * {layout.chunk}, 0), {layout.chunk})"
            lines += reducer.finish(counts, f"{layout.length}.0")
        writer.outer += lines
