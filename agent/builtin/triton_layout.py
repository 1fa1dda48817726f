"""How a nest's points are dealt to programs: the sizes of a tile, decided from shapes and a plan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from agent.builtin.expr import walk
from agent.builtin.schedule import Traced
from agent.builtin.triton_orders import size_bytes, turned_loads
from agent.builtin.triton_plan import TritonPlan

Mode = Literal["flat", "stretches", "tiles", "whole", "sweep", "split"]
PROCESSORS = 132
"""Of an H100 or H200: fewer programs than that leave some idle."""
SHARED_LENGTH = 1 << 13
"""Rows shorter than this are not worth a second kernel."""
SHARED_HEIGHT = 1 << 8
"""The same of rows that lie across memory."""
MAX_SPLITS = 512
RUNNING = 1 << 12
"""Sums that a program of a shared scan reads at most: those of all before it, of all its rows."""
TURNS = 4
"""Tiles of a chunk at least, where several rows are shared."""
LARGE = 1 << 22
"""Elements that are worth the work of every processor, and another launch."""
LANES = 256
"""Of a program whose lanes have a stretch of results each."""
LEAST_SIDE = 32
"""Of a tile; less, and what is read of a line of memory is a part of it."""
MUCH = 1 << 14
"""Elements that need all the registers of a processor."""


@dataclass(frozen=True)
class Layout:
    """Tiles of a nest. ``axis`` is that of a row's elements in a tile."""

    mode: Mode
    axis: int
    row_count: int
    length: int
    rows: int
    """Rows in a tile."""
    columns: int
    """Elements of each row in a tile."""
    chunk: int = 0
    """Elements of a row that one program sweeps, where programs share rows."""
    neighbours: bool = False
    """Whether programs that follow each other have neighbouring chunks of a row, not those of neighbouring rows."""

    @property
    def tiles(self) -> int:
        """Programs side by side."""
        return -(-self.row_count // self.rows)

    @property
    def splits(self) -> int:
        """Programs that share a row."""
        return -(-self.length // self.chunk) if self.chunk else 1

    def shape(self, columns: int) -> str:
        """Of a tile with so many elements a row."""
        return f"({self.rows}, {columns})" if self.axis == 1 else f"({columns}, {self.rows})"

    @property
    def rows_masked(self) -> bool:
        """Whether the last tile reaches beyond the rows."""
        return self.row_count % self.rows != 0

    @property
    def columns_masked(self) -> bool:
        """Whether a tile may reach beyond a row's end."""
        return (self.chunk or self.length) % self.columns != 0 or self.length % self.columns != 0


def choose(traced: Traced, plan: TritonPlan) -> Layout:
    """The layout of a nest."""
    loops = [loop for loop in traced.loops if loop.var.size > 1]
    length = math.prod(loop.var.size for loop in loops if loop.reduced)
    count = math.prod(loop.var.size for loop in loops if not loop.reduced)
    if not any(loop.reduced for loop in loops):
        return Layout("flat", 0, count, 1, min(plan.block, _up(count)), 1)
    is_scan = traced.nest.special is not None
    if not loops[-1].reduced or _lies_across(traced):
        return _across(count, length, plan, runs=is_scan)
    return _along(count, length, plan, runs=is_scan)


def _lies_across(traced: Traced) -> bool:
    """Whether most of what is read lies along rows' neighbours, though a row's elements come last in the domain."""
    loops = [loop for loop in traced.loops if loop.var.size > 1]
    exprs = list(traced.exprs.values())
    kept = {loop.var for loop in loops if not loop.reduced}
    turned = [load for load in turned_loads(exprs, [loop.var for loop in loops]) if load.var in kept]
    everything = sum(size_bytes(node) for node in walk(exprs) if node.op == "load") if turned else 0
    return bool(turned) and 2 * sum(load.size_bytes for load in turned) >= everything


def _along(count: int, length: int, plan: TritonPlan, *, runs: bool) -> Layout:
    """Rows lie along memory. A scan's (``runs``) are read once more where programs share them."""
    many = 8 if plan.split else 1
    room = _up(length)
    is_few = count <= PROCESSORS // 2 * many or (room > plan.whole and count < 4 * PROCESSORS and not runs)
    if is_few and length >= SHARED_LENGTH and length > plan.sweep:
        columns = min(plan.sweep, room)
        if count > 1 and not runs:
            return _near(count, length, columns)
        return _shared(1, count, length, 1, columns, MAX_SPLITS)
    if room > plan.whole:
        return Layout("sweep", 1, count, length, 1, plan.sweep)
    rows = max(1, min(plan.tile // room, _up(count // (2 * PROCESSORS)), _up(count)))
    return Layout("whole", 1, count, length, rows, room)


def _across(count: int, length: int, plan: TritonPlan, *, runs: bool) -> Layout:
    """Rows lie across memory, and neighbours are read together. For ``runs`` see ``_along``."""
    rows, room = min(plan.lanes, _up(count)), _up(length)
    columns = max(1, min(plan.sweep // rows, room))
    tiles = -(-count // rows)
    is_large = count * length >= LARGE and not runs
    is_few = tiles < (PROCESSORS * 2 if plan.split or is_large else PROCESSORS // 2)
    if is_few and length > 4 * columns and length >= SHARED_HEIGHT:
        return _shared(0, count, length, rows, columns, RUNNING // rows if runs else MAX_SPLITS)
    while rows > 16 and -(-count // rows) < PROCESSORS:
        rows //= 2
    columns = max(1, min(plan.sweep // rows, room))
    if room * rows <= plan.whole // 2:
        return Layout("whole", 0, count, length, rows, room)
    return Layout("sweep", 0, count, length, rows, columns)


def _shared(axis: int, count: int, length: int, rows: int, columns: int, limit: int) -> Layout:
    """Rows in chunks, so that every processor has three to six programs, and all about as many."""
    tiles = -(-count // rows)
    most = max(2, min(6 * PROCESSORS // tiles, limit))
    least = max(2, min(-(-3 * PROCESSORS // tiles), most))
    wanted = {-(-length // (splits * columns)) * columns for splits in range(least, most + 1)}
    layouts = [Layout("split", axis, count, length, rows, columns, chunk) for chunk in sorted(wanted)]
    return max(layouts, key=lambda layout: (_evenness(layout.tiles * layout.splits), layout.splits))


def _near(count: int, length: int, columns: int) -> Layout:
    """Rows in short chunks, so that what is read at one time lies together.

    By supposition, not measured: long rows lie a power of two apart as a rule, and what is as far within each of them
    comes from few of memory's banks (docs/results/2026-11-29-gpu-fifth-look.md).
    """
    turns = max(TURNS, -(-length // (MAX_SPLITS * columns)))
    return Layout("split", 1, count, length, 1, columns, turns * columns, neighbours=True)


def _evenness(programs: int) -> float:
    """How much of the processors' time is used where the last of them has as many programs as any."""
    return programs / (-(-programs // PROCESSORS) * PROCESSORS)


def tile(outer: int, count: int, length: int, plan: TritonPlan) -> Layout:
    """Tiles of two axes, ``count`` rows by ``length`` columns, at ``outer`` places: where one axis is short, the tile
    is longer along the other.
    """
    room = plan.side_rows * plan.side_columns
    columns = min(_up(length), room // min(plan.side_rows, _up(count)))
    rows = min(_up(count), room // columns)
    while max(rows, columns) > LEAST_SIDE and outer * -(-count // rows) * -(-length // columns) < PROCESSORS:
        rows, columns = (rows // 2, columns) if rows >= columns else (rows, columns // 2)
    return Layout("tiles", 1, count, length, rows, columns)


def stretched(count: int, side: int, plan: TritonPlan) -> Layout:
    """Stretches of ``side`` results, ``count`` of them, one a row."""
    rows = min(plan.block // side, LANES * _stretches(plan), _up(count))
    return Layout("stretches", 0, count, 1, max(1, rows), side)


def _stretches(plan: TritonPlan) -> int:
    """How many of them a thread has."""
    return max(1, plan.each // TritonPlan.each)


def warps(layout: Layout, plan: TritonPlan) -> int:
    """Warps of a program: each thread has ``plan.each`` elements of a flat block, twice as many of a row, and a
    stretch or more where there are such: with several, lanes beside each other would lie that much further apart.
    """
    each = plan.each if layout.mode == "flat" else 2 * plan.each
    if layout.mode == "stretches":
        each = layout.columns * _stretches(plan)
    room = layout.rows * layout.columns
    return max(1, min(_up(room // (32 * each)), 32 if room > MUCH else 16))


def _up(size: int) -> int:
    """The power of two that has room for it."""
    return 1 << max(size - 1, 0).bit_length()
