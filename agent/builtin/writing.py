"""Writes expressions into nested loops: each one at the outermost level where its variables are known."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.builtin import cexpr
from agent.builtin.expr import Buffer, Expr, indirect
from agent.builtin.index import Index, Var


@dataclass
class Level:
    """Statements at one depth of a loop nest, and the names they define."""

    lines: list[str] = field(default_factory=list)
    names: dict[Expr, str] = field(default_factory=dict)


class Writer:
    """One kernel's statements. ``depth`` says at which level each loop variable is known."""

    def __init__(self) -> None:
        self.levels: list[Level] = [Level()]
        self.depth: dict[Var, int] = {}
        self.leaves: dict[Expr, tuple[int, str]] = {}
        """Expressions that are read from somewhere instead of computed: level and text."""
        self.uses: set[Buffer] = set()
        self._count = 0

    def open(self, *known: Var) -> None:
        """Go one level deeper; the variables are known from there on."""
        self.levels.append(Level())
        for var in known:
            self.depth[var] = len(self.levels) - 1

    def close(self) -> list[str]:
        """Leave the deepest level and give its statements."""
        gone = len(self.levels) - 1
        self.depth = {v: d for v, d in self.depth.items() if d != gone}
        return self.levels.pop().lines

    def line(self, text: str) -> None:
        """A statement at the deepest level."""
        self.levels[-1].lines.append(text)

    def take(self) -> list[str]:
        """The statements so far at the deepest level, which is emptied of them (names stay known)."""
        lines, self.levels[-1].lines = self.levels[-1].lines, []
        return lines

    def fresh(self, prefix: str) -> str:
        """A name not used before."""
        self._count += 1
        return f"{prefix}{self._count}"

    def known(self, expr: Expr) -> str | None:
        """Name or literal of an expression that is written already."""
        if expr.op == "const":
            return cexpr.constant(expr.payload, expr.kind)
        for level in self.levels:
            if expr in level.names:
                return level.names[expr]
        return None

    def emit(self, expr: Expr) -> str:
        """Name of the expression's value, written out where needed."""
        found = self.known(expr)
        if found is not None:
            return found
        if expr in self.leaves:
            level, text = self.leaves[expr]
            return self._define(expr, min(level, len(self.levels) - 1), text)
        args = [self.emit(a) for a in expr.args]
        level = max([self.depth.get(v, 0) for v in expr.variables] + [self._level_of(a) for a in expr.args], default=0)
        if expr.op == "load":
            buffer, offset = expr.payload
            self.uses.add(buffer)
            text = cexpr.loaded(f"{buffer.name}[{self.index(offset)}]", buffer.dtype)
            level = max([level, *(self._level_of(e) for e in indirect(offset))])
            if args:
                zero = cexpr.constant("False" if expr.kind == "b8" else "0", expr.kind)
                text = f"({' & '.join(args)}) ? {text} : {zero}"
        elif expr.op == "index":
            text = f"(int64_t)({self.index(expr.payload)})"
            level = max([level, *(self._level_of(e) for e in indirect(expr.payload))])
        elif expr.op == "cast":
            text = cexpr.cast(args[0], expr.args[0].kind, expr.kind)
        else:
            kinds = [a.kind for a in expr.args]
            text = cexpr.call(expr.op, expr.kind, args, kinds[-1] if kinds else expr.kind)
        return self._define(expr, level, text)

    def index(self, index: Index) -> str:
        """An index as C++, with what it is read from written first."""
        names = {e: self.emit(e) for e in indirect(index)}
        return cexpr.index_text(index, names)

    def _level_of(self, expr: Expr) -> int:
        for number, level in enumerate(self.levels):
            if expr in level.names:
                return number
        return max((self.depth.get(v, 0) for v in expr.variables), default=0)

    def _define(self, expr: Expr, level: int, text: str) -> str:
        name = self.fresh("v")
        target = self.levels[level]
        target.lines.append(f"const {cexpr.C_KIND[expr.kind]} {name} = {text};")
        target.names[expr] = name
        return name


def indent(lines: list[str], by: int = 2) -> list[str]:
    """Lines moved to the right."""
    return [" " * by + line for line in lines]
