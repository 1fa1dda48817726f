"""Writes expressions into a Triton kernel: what is the same along a row once a row, the rest once a tile."""

from __future__ import annotations

import math
from dataclasses import dataclass

from agent.builtin import triton_text as text
from agent.builtin.expr import Buffer, Expr, indirect
from agent.builtin.index import Index, Indirect, Var, variables

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
HALF = "float16"
EXACT = (0.0, math.inf, -math.inf)
"""In every floating type."""
LARGEST_EXPONENT = 100
"""Of powers of two whose inverse is a normal float."""


@dataclass(frozen=True)
class Reading:
    """A load, and the literal that it gives where its conditions are false."""

    load: Expr
    other: str


def reading(expr: Expr) -> Reading | None:
    """What an expression reads, where that is all it does: a load, or one that a constant stands in for where nothing
    is read.
    """
    if expr.op == "load":
        return Reading(expr, "0")
    if expr.op != "where" or expr.kind not in text.FLOATING:
        return None
    condition, load, other = expr.args
    if load.op != "load" or condition not in load.args or other.op != "const" or float(other.payload) not in EXACT:
        return None
    return Reading(load, text.constant(other.payload, other.kind))


def exact_inverse(expr: Expr) -> str | None:
    """The literal to multiply by instead of dividing by a constant, where that is the same: by powers of two."""
    if expr.op != "const" or expr.kind not in text.FLOATING or not math.isfinite(float(expr.payload)):
        return None
    mantissa, exponent = math.frexp(float(expr.payload))
    is_exact = abs(mantissa) == 0.5 and abs(exponent) < LARGEST_EXPONENT
    return text.constant(repr(1 / float(expr.payload)), expr.kind) if is_exact else None


class TileWriter:
    """Statements of one kernel. ``outer`` runs once a row tile; ``inner`` once a tile (the same list where there is
    no loop).
    """

    def __init__(self, along: frozenset[Var], across: frozenset[Var], *, precise: bool) -> None:
        self.along, self.across, self.precise = along, across, precise
        """The variables of a row's elements, and those that tell rows apart."""
        self.outer: list[str] = []
        self.inner: list[str] = self.outer
        self.names: dict[Expr, str] = {}
        self.inner_names: dict[Expr, str] = {}
        self.halves: dict[Expr, str] = {}
        """Values in float16, as they came from memory."""
        self.inner_halves: dict[Expr, str] = {}
        self._are_halves: dict[Expr, bool] = {}
        self.leaves: dict[Expr, str] = {}
        """Expressions that something else has written: finished reductions."""
        self.uses: dict[Buffer, None] = {}
        self.row_mask = ""
        self.tile_mask = ""
        self.hint = ""
        """What is said of loads of whole rows (who reads them again)."""
        self.whole: tuple[Index, str] | None = None
        """An index that has a shorter spelling."""
        self._count = 0

    def open(self) -> None:
        """A loop's body begins."""
        self.inner = []

    def close(self) -> list[str]:
        """A loop's body ends; what it computed is known in it only."""
        lines, self.inner, self.inner_names, self.inner_halves = self.inner, self.outer, {}, {}
        return lines

    def is_along(self, expr: Expr) -> bool:
        """Whether it differs from element to element of a row."""
        return bool(expr.variables & self.along)

    def mask(self, variables: frozenset[Var]) -> str:
        """The condition under which elements that depend on these variables exist; empty for always."""
        parts = [self.row_mask] if variables & self.across else []
        parts += [self.tile_mask] if variables & self.along else []
        return " & ".join(p for p in parts if p)

    def emit(self, expr: Expr) -> str:
        """Name or literal of the expression's value, written out where needed."""
        if expr.op == "const":
            return text.constant(expr.payload, expr.kind)
        known = self.leaves.get(expr) or self.names.get(expr) or self.inner_names.get(expr)
        if known:
            return known
        if self._is_half(expr):
            half = self._half_of(expr)
            if half or expr.op in ("maximum", "minimum"):
                return self._define(expr, f"{half or self._half(expr)}.to(tl.float32)")
        if read := reading(expr):
            return self._define(expr, text.loaded(self._load(read), read.load.payload[0].dtype, expr.kind))
        if expr.op == "index":
            return self._define(expr, f"({self.index(expr.payload)}).to(tl.int64)")
        args = [self._compared(a) if expr.op in COMPARISONS else self.emit(a) for a in expr.args]
        if expr.op == "cast":
            return self._define(expr, text.cast(args[0], expr.args[0].kind, expr.kind))
        if expr.op == "div" and (inverse := exact_inverse(expr.args[1])):
            return self._define(expr, f"({args[0]} * {inverse})")
        kinds = [a.kind for a in expr.args]
        written = text.call(expr.op, expr.kind, args, kinds[-1] if kinds else expr.kind, precise=self.precise)
        return self._define(expr, written)

    def _is_half(self, expr: Expr) -> bool:
        """Whether it is a float16 of memory, or an extreme of such."""
        known = self._are_halves.get(expr)
        if known is None:
            read = reading(expr)
            known = read is not None and read.load.payload[0].dtype == HALF
            if expr.op in ("maximum", "minimum"):
                known = all(map(self._is_half, expr.args))
            self._are_halves[expr] = known
        return known

    def _half_of(self, expr: Expr) -> str | None:
        return self.halves.get(expr) or self.inner_halves.get(expr)

    def _half(self, expr: Expr) -> str:
        """Name of a value in float16: an extreme of such values needs no more, and one conversion in the end."""
        known = self._half_of(expr)
        if known:
            return known
        wide = self.names.get(expr) or self.inner_names.get(expr)
        if wide:
            return f"{wide}.to(tl.float16)"
        read = reading(expr)
        if read:
            return self._define(expr, self._load(read), half=True)
        return self._define(expr, text.extreme(expr.op, [self._half(a) for a in expr.args], "f32"), half=True)

    def _compared(self, expr: Expr) -> str:
        """An index is compared as it is: masks need no 64 bits."""
        if expr.op == "index" and not list(indirect(expr.payload)):
            return f"({self.index(expr.payload)})"
        return self.emit(expr)

    def index(self, index: Index) -> str:
        """An index as text, with what it is read from written first."""
        if self.whole and index.const == self.whole[0].const and dict(index.terms) == dict(self.whole[0].terms):
            return self.whole[1]
        names = {e: self.emit(e) for e in indirect(index)}
        return text.index_text(index, names)

    def _load(self, read: Reading) -> str:
        expr = read.load
        buffer, offset = expr.payload
        self.uses[buffer] = None
        guards = [self.emit(a) for a in expr.args]
        mask = self.mask(expr.variables)
        conditions = ([f"({mask})"] if mask else []) + guards
        self._assert_inside(offset, conditions, within=self.is_along(expr))
        at, const = self.parts(offset)
        reached = frozenset(variables(offset))
        wider = expr.variables - reached
        if wider & self.along and not reached & self.along:  # a guard of more dimensions than the address
            at = f"{at} + j * 0"
        if wider & self.across and not reached & self.across:
            at = f"{at} + r * 0"
        hint = self.hint if reached & self.along and reached & self.across else ""
        masked = f", mask={' & '.join(conditions)}, other={read.other}" if conditions else ""
        return f"tl.load({buffer.name} + ({at}){const}{masked}{hint})"

    def parts(self, offset: Index) -> tuple[str, str]:
        """An address without its constant, and that: in an instruction of its own it would cost one a load."""
        if not offset.const or not offset.terms:
            return self.index(offset), ""
        return self.index(Index(offset.terms)), f" + {offset.const}" if offset.const > 0 else f" - {-offset.const}"

    def _assert_inside(self, offset: Index, conditions: list[str], *, within: bool) -> None:
        """An index read from a tensor that is out of range ends the kernel, as it does eager's."""
        for expr in indirect(offset):
            size = next(t.size for t, _ in offset.terms if isinstance(t, Indirect) and t.expr is expr)
            name = self.emit(expr)
            masked = f", mask={' & '.join(conditions)}" if conditions else ""
            fits = f"({name} >= 0) & ({name} < {size})"
            said = f'tl.device_assert({fits}, "index out of range"{masked})'
            target = self.inner if within else self.outer
            if said not in target:
                target.append(said)

    def _define(self, expr: Expr, written: str, *, half: bool = False) -> str:
        self._count += 1
        name = f"v{self._count}"
        within = self.is_along(expr) and self.inner is not self.outer
        (self.inner if within else self.outer).append(f"{name} = {written}")
        outer, inner = (self.halves, self.inner_halves) if half else (self.names, self.inner_names)
        (inner if within else outer)[expr] = name
        return name


def decode(loops: list[Var], linear: str) -> list[str]:
    """Statements that take a linear position apart into loop variables, the last varying fastest."""
    lines = []
    below = 1
    for position in range(len(loops) - 1, -1, -1):
        var = loops[position]
        part = linear if below == 1 else f"{linear} // {below}"
        if position:
            part = f"{part} % {var.size}" if below == 1 else f"({part}) % {var.size}"
        lines.append(f"{var.name} = {part}")
        below *= var.size
    return lines
