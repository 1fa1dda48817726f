"""Triton kernels for flat nests that read neighbours, as sliding windows do: a lane takes a stretch of each line.

Where every lane reads an element here and one there, a warp's reading touches as many lines of the cache as if it read
all that lies between, and does so again for each element of a window. Here a lane has several results side by side. It
reads what they need in few wide loads, takes those apart in registers, and what two windows share it reads once.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from agent.builtin import triton_text as text
from agent.builtin.cexpr import SIZE
from agent.builtin.expr import Buffer, Expr, Exprs, indirect, walk
from agent.builtin.index import Index, Term, Var, of, replaced
from agent.builtin.schedule import Traced
from agent.builtin.triton_layout import stretched
from agent.builtin.triton_nests import Kernel, NestKernels
from agent.builtin.triton_orders import SECTOR_BYTES, WARP
from agent.builtin.triton_plan import TritonPlan
from agent.builtin.triton_writing import HALF, Reading, TileWriter, reading

Terms = tuple[tuple[Term, int], ...]
WIDEST_BYTES = 16
"""Of one load of a lane."""
LINE_BYTES = 128
"""Of the cache, which answers a warp line by line."""
MOST = 8
"""Results that a lane has side by side, and elements of a load that are taken apart."""


def side_by_side(traced: Traced, stored: set[Buffer], plan: TritonPlan) -> int:
    """How many results a lane should have; 0 where nothing is read beside something else."""
    loops = [loop.var for loop in traced.loops if loop.var.size > 1]
    is_flat = traced.nest.special is None and not any(loop.reduced for loop in traced.loops)
    roots = [expr for buffer, expr in traced.exprs.items() if buffer in stored]
    loads = [node for node in walk(roots) if node.op == "load"]
    if not plan.stretch or not is_flat or not loops or any(list(indirect(load.payload[1])) for load in loads):
        return 0
    near, last = _near(loads), loops[-1]
    if not near:
        return 0
    step = max(max(1, abs(offset.coefficient(last))) * SIZE[buffer.dtype] for buffer, offset in near)
    counts = [1, *(n for n in (2, 4, MOST) if last.size % n == 0 and n * step <= plan.stretch)]
    fitting = [n for n in counts if len(loops) > 1 or n < last.size]
    return min(reversed(fitting), key=lambda count: _lines(traced.maker, roots, loops, count))


def places(var: Var, count: int) -> tuple[Var, list[Index]]:
    """The lanes there are in the place of a loop, and where in it the results of one are."""
    lanes = Var(var.name, var.size // count)
    return lanes, [of(lanes) * count + k for k in range(count)]


def _lines(make: Exprs, roots: list[Expr], loops: list[Var], count: int) -> float:
    """How many lines of the cache a warp goes to for one result a lane, one load after the other: its time, where
    that is not the memory's.
    """
    lanes, at = places(loops[-1], count)
    results = [with_index(make, root, loops[-1], place) for root in roots for place in at]
    wide = wide_loads(results)
    taken = {expr for load in wide for expr, _ in load.reads}
    reads = [load.reads[0][1] for load in wide] + [read for expr, read in readings(results) if expr not in taken]
    along, total = lanes if lanes.size > 1 else loops[-2], 0
    for read in reads:
        buffer, offset = read.load.payload
        spanned = WARP * abs(offset.coefficient(along)) * SIZE[buffer.dtype]
        total += min(WARP, max(1, -(-spanned // LINE_BYTES)))
    return total / count


def _near(loads: list[Expr]) -> list[tuple[Buffer, Index]]:
    """What is read of one buffer at places so near that one reading of memory gives both."""
    families = defaultdict(set)
    for load in loads:
        buffer, offset = load.payload
        families[buffer, offset.terms].add(offset.const)
    found = []
    for (buffer, terms), places in families.items():
        ordered = sorted(places)
        gaps = [b - a for a, b in itertools.pairwise(ordered)]
        if gaps and terms and min(gaps) * SIZE[buffer.dtype] < SECTOR_BYTES:
            found.append((buffer, Index(terms)))
    return found


# One of the results that a lane has


def with_index(make: Exprs, root: Expr, var: Var, by: Index) -> Expr:
    """The expression with an index in the place of a loop variable; conditions that this decides vanish."""
    done: dict[Expr, Expr] = {}
    for node in walk([root]):
        args = tuple(done[a] for a in node.args)
        if node.op == "load":
            buffer, offset = node.payload
            made = make.load(buffer, replaced(offset, var, by), tuple(a for a in args if not _is(a, value=True)))
        elif node.op == "index":
            made = make.index(replaced(node.payload, var, by))
        else:
            made = _simpler(make, node, args)
        done[node] = made
    return done[root]


def _is(expr: Expr, *, value: bool) -> bool:
    return expr.op == "const" and expr.kind == "b8" and expr.payload == str(value)


def _simpler(make: Exprs, node: Expr, args: tuple[Expr, ...]) -> Expr:
    if node.op == "and":
        first, second = args
        if _is(first, value=True) or _is(second, value=False):
            return second
        if _is(second, value=True) or _is(first, value=False):
            return first
    if node.op == "where" and args[0].op == "const":
        return args[1] if _is(args[0], value=True) else args[2]
    known = _decided(node.op, *map(_bounds, args)) if len(args) == 2 and node.kind == "b8" else None
    return make.rebuilt(node, args) if known is None else make.const(known, "b8")


def _bounds(expr: Expr) -> tuple[int, int] | None:
    if expr.op == "index":
        return expr.payload.bounds()  # type: ignore[no-any-return]
    return (int(expr.payload), int(expr.payload)) if expr.op == "const" and expr.kind == "i64" else None


def _decided(op: str, a: tuple[int, int] | None, b: tuple[int, int] | None) -> bool | None:
    """What a comparison gives, whatever the values within these bounds; None where it may be either."""
    if a is None or b is None:
        return None
    if op in ("ge", "lt") and (a[0] >= b[1] or a[1] < b[0]):
        return (a[0] >= b[1]) == (op == "ge")
    if op == "eq" and (a[1] < b[0] or b[1] < a[0]):
        return False
    return None


# What a lane reads


@dataclass(frozen=True)
class Wide:
    """Loads that lie side by side, and are one."""

    reads: list[tuple[Expr, Reading]]
    """Each with the expression it is the whole of; in the order of memory."""


def readings(roots: list[Expr]) -> Iterator[tuple[Expr, Reading]]:
    """Every place that is read, and the expression it is the whole of."""
    stack, seen = list(reversed(roots)), set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        read = reading(node)
        if read:
            yield node, read
        stack.extend(reversed(read.load.args if read else node.args))


def wide_loads(roots: list[Expr]) -> list[Wide]:
    """Loads of neighbours, where they start as a wide load must."""
    families: dict[tuple[Buffer, Terms, tuple[Expr, ...], str], dict[int, tuple[Expr, Reading]]] = {}
    for expr, read in readings(roots):
        buffer, offset = read.load.payload
        if offset.terms and SIZE[buffer.dtype] < WIDEST_BYTES:
            families.setdefault((buffer, offset.terms, read.load.args, read.other), {})[offset.const] = expr, read
    found = []
    for (buffer, terms, *_), places in families.items():
        even = math.gcd(*(coefficient for _, coefficient in terms))
        width = min(WIDEST_BYTES // SIZE[buffer.dtype], MOST, even & -even)
        while width > 1:
            for first in sorted(places):
                if first % width == 0 and all(first + k in places for k in range(width)):
                    found.append(Wide([places.pop(first + k) for k in range(width)]))
            width //= 2
    return found


class StretchKernels(NestKernels):
    """Writes the kernel of one flat nest whose lanes have ``count`` results each, next to each other."""

    def __init__(self, traced: Traced, stored: set[Buffer], plan: TritonPlan, name: str, count: int) -> None:
        super().__init__(traced, stored, plan, name)
        self.count, self.wide = count, 0
        last = self.kept.pop()
        lanes, at = places(last, count)
        self.each = {
            buffer: [with_index(traced.maker, self.exprs[buffer], last, place) for place in at]
            for buffer in self.passes[0].stores
        }
        self.kept += [lanes] if lanes.size > 1 else []
        self.layout = stretched(math.prod(var.size for var in self.kept), count, plan)

    def write(self) -> list[Kernel]:
        """The kernel of the nest."""
        writer = self.writer()
        if self.count > 1:
            writer.whole = None
        for wide in wide_loads([expr for exprs in self.each.values() for expr in exprs]):
            self._read(writer, wide)
        for buffer, exprs in self.each.items():
            self._write(writer, buffer, exprs)
        return [self.kernel(writer, "", [*self.head(), *writer.outer], (self.layout.tiles,))]

    def _read(self, writer: TileWriter, wide: Wide) -> None:
        """One load, and a name for each of its elements."""
        first = wide.reads[0][1]
        buffer, offset = first.load.payload
        writer.uses[buffer] = None
        conditions = [c for c in (writer.row_mask, *(writer.emit(a) for a in first.load.args)) if c]
        is_wide = bool(writer.row_mask) or any(a.variables for a in first.load.args)
        mask = f"({' & '.join(conditions)}){'[:, None]' if is_wide else ''}"
        masked = f", mask={mask}, other={first.other}" if conditions else ""
        at, const = writer.parts(offset)
        width, is_half = len(wide.reads), buffer.dtype == HALF
        loaded = f"tl.load({buffer.name} + ({at})[:, None] + tl.arange(0, {width})[None, :]{const}{masked})"
        loaded = loaded if is_half else text.loaded(loaded, buffer.dtype, first.load.kind)
        self.wide += 1
        names = [f"w{self.wide}_{k}" for k in range(width)]
        writer.outer.append(f"{', '.join(names)} = kw_apart{width}({loaded})")
        known = writer.halves if is_half else writer.names
        known.update((expr, name) for (expr, _), name in zip(wide.reads, names, strict=True))

    def _write(self, writer: TileWriter, buffer: Buffer, exprs: list[Expr]) -> None:
        """The results of all lanes, as they lie in memory."""
        values = [self._spread(writer, expr) for expr in exprs]
        at, mask, value = "r", writer.row_mask, values[0]
        if self.count > 1:
            at = f"r[:, None] * {self.count} + tl.arange(0, {self.count})[None, :]"
            mask = f"{mask}[:, None]" if mask else ""
            value = f"kw_beside{self.count}({', '.join(values)})"
        masked = f", mask={mask}" if mask else ""
        writer.outer.append(f"tl.store({buffer.name} + ({at}), {value}{masked}{self.store_hint(buffer)})")

    def _spread(self, writer: TileWriter, expr: Expr) -> str:
        """A value of each lane, also where all have the same."""
        value = writer.emit(expr)
        return value if expr.variables else f"tl.full(({self.layout.rows},), {value}, {text.TYPE[expr.kind]})"
