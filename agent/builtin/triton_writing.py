"""Writes expressions into a Triton kernel: what is the same along a row once a row, the rest once a tile."""

from __future__ import annotations

from agent.builtin import triton_text as text
from agent.builtin.expr import Buffer, Expr, indirect
from agent.builtin.index import Index, Indirect, Var, variables

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


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
        lines, self.inner, self.inner_names = self.inner, self.outer, {}
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
        if expr.op == "load":
            return self._define(expr, self._load(expr))
        if expr.op == "index":
            return self._define(expr, f"({self.index(expr.payload)}).to(tl.int64)")
        args = [self._compared(a) if expr.op in COMPARISONS else self.emit(a) for a in expr.args]
        if expr.op == "cast":
            return self._define(expr, text.cast(args[0], expr.args[0].kind, expr.kind))
        kinds = [a.kind for a in expr.args]
        written = text.call(expr.op, expr.kind, args, kinds[-1] if kinds else expr.kind, precise=self.precise)
        return self._define(expr, written)

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

    def _load(self, expr: Expr) -> str:
        buffer, offset = expr.payload
        self.uses[buffer] = None
        guards = [self.emit(a) for a in expr.args]
        mask = self.mask(expr.variables)
        conditions = ([f"({mask})"] if mask else []) + guards
        self._assert_inside(offset, conditions, within=self.is_along(expr))
        at = self.index(offset)
        reached = frozenset(variables(offset))
        wider = expr.variables - reached
        if wider & self.along and not reached & self.along:  # a guard of more dimensions than the address
            at = f"{at} + j * 0"
        if wider & self.across and not reached & self.across:
            at = f"{at} + r * 0"
        hint = self.hint if reached & self.along and reached & self.across else ""
        masked = f", mask={' & '.join(conditions)}, other=0" if conditions else ""
        return text.loaded(f"tl.load({buffer.name} + ({at}){masked}{hint})", buffer.dtype, expr.kind)

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

    def _define(self, expr: Expr, written: str) -> str:
        self._count += 1
        name = f"v{self._count}"
        within = self.is_along(expr) and self.inner is not self.outer
        (self.inner if within else self.outer).append(f"{name} = {written}")
        (self.inner_names if within else self.names)[expr] = name
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
