"""Triton kernels for flat nests whose operands lie in memory in different orders: a program takes a tile of two axes.

Lanes of a flat block go along the results' memory; what lies along another axis is read there a sector a lane. Over a
tile of both axes Triton gives each load and store the lanes that go along its own memory, as its addresses tell, and
takes the values from one order to the other through shared memory.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from agent.builtin.expr import Buffer, Expr
from agent.builtin.index import Var
from agent.builtin.schedule import Traced
from agent.builtin.triton_layout import tile
from agent.builtin.triton_nests import Kernel, NestKernels
from agent.builtin.triton_orders import Turned, turned_loads
from agent.builtin.triton_plan import TritonPlan
from agent.builtin.triton_writing import decode

ENOUGH_COLUMNS = 16
"""Fewer of them, and a flat block reads pieces of sectors that its other lanes read the rest of."""
ENOUGH_ROWS = 4


@dataclass(frozen=True)
class Axes:
    """The loops of a flat nest by their part in a tile, each group row-major."""

    outer: list[Var]
    """One point a program."""
    rows: list[Var]
    """Along these lie the operands that lie otherwise than the results."""
    columns: list[Var]
    """Along these lie the results."""
    turned: list[Expr]
    """Loads that do not lie along the last loop."""


def tile_axes(traced: Traced, stored: set[Buffer], plan: TritonPlan) -> Axes | None:
    """Which loops a tile is of; None where a block without rows reads well enough."""
    if not plan.sides or traced.nest.special is not None or any(loop.reduced for loop in traced.loops):
        return None
    loops = [loop.var for loop in traced.loops if loop.var.size > 1]
    turned = turned_loads([expr for buffer, expr in traced.exprs.items() if buffer in stored], loops)
    if not turned:
        return None
    weights: Counter[Var] = Counter()
    for load in turned:
        weights[load.var] += load.size_bytes
    along = max(weights, key=lambda var: (weights[var], loops.index(var)))
    largest = max((load for load in turned if load.var == along), key=lambda load: load.size_bytes)
    rows, columns = [along], [loops[-1]]
    _widen(columns, loops, rows, plan.side_columns)
    _heighten(rows, columns, largest, plan.side_rows)
    _widen(columns, loops, rows, plan.side_rows * plan.side_columns // _room(rows))
    if _room(columns) < ENOUGH_COLUMNS or _room(rows) < ENOUGH_ROWS:
        return None
    outer = [v for v in loops if v not in rows + columns]
    return Axes(outer, rows, columns, [load.load for load in turned])


def _widen(columns: list[Var], loops: list[Var], rows: list[Var], wanted: int) -> None:
    """Take the loops that lie next to the columns in the results, up to one that is a row's."""
    above = loops[: len(loops) - len(columns)]
    while _room(columns) < wanted and above and above[-1] not in rows:
        columns.insert(0, above.pop())


def _heighten(rows: list[Var], columns: list[Var], load: Turned, wanted: int) -> None:
    """Take the loops that lie next to the rows in the operand."""
    while _room(rows) < wanted:
        step = load.steps[load.var] * _room(rows)
        above = next((v for v, s in load.steps.items() if s == step and v not in [*rows, *columns]), None)
        if above is None:
            return
        rows.insert(0, above)


def _room(loops: list[Var]) -> int:
    return math.prod(var.size for var in loops)


class TileKernels(NestKernels):
    """Writes the kernel of one flat nest over tiles: rows and columns as those of a nest that has rows."""

    def __init__(self, traced: Traced, stored: set[Buffer], plan: TritonPlan, name: str, axes: Axes) -> None:
        super().__init__(traced, stored, plan, name)
        self.outer, self.kept, self.reduced = axes.outer, axes.rows, axes.columns
        self.turned = axes.turned
        self.layout = tile(_room(axes.outer), _room(axes.rows), _room(axes.columns), plan)

    def write(self) -> list[Kernel]:
        """The kernel of the nest."""
        layout = self.layout
        across = -(-layout.length // layout.columns)
        wide = ".to(tl.int64)" if self.is_wide() else ""
        begin = [f"p = tl.program_id(0){wide}", *decode(self.outer, f"p // {layout.tiles * across}")]
        rows = self.head(f"p // {across} % {layout.tiles} * {layout.rows}")
        columns = self.columns(f"p % {across} * {layout.columns}")
        writer = self.writer()
        for load in self.turned:  # what is computed from two orders is in that of the later load: the results' one
            writer.emit(load)
        for buffer in self.passes[0].stores:
            self.store(writer, buffer, per_row=False)
        programs = _room(self.outer) * layout.tiles * across
        return [self.kernel(writer, "", [*begin, *rows, *columns, *writer.outer], (programs,))]
