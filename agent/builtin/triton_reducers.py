"""How each kind of reduction accumulates in Triton: lanes of a tile first, then the lanes of each row.

The lanes may also be what several programs found of a row each: they are combined in the same way. Extremes keep NaN,
as torch does; the first of equal extremes wins.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.builtin.expr import Expr
from agent.builtin.lowering import Unsupported
from agent.builtin.triton_text import FLOATING, TYPE, extreme

Field = tuple[str, str, str]
"""Name, type, start."""
FAR = {"tl.int32": (1 << 31) - 1, "tl.int64": 1 << 62}
"""The position of no element, by type of positions."""
PLACED = {"amax": "argmax", "amin": "argmin"}
"""Extremes that one accumulator finds with their places."""


@dataclass(frozen=True)
class Lanes:
    """One accumulator. ``kind`` as in ``lowering.Reduce``; ``moments`` serves both mean_of and m2_of, and argmax or
    argmin the extreme too.
    """

    kind: str
    expr: Expr
    name: str
    axis: int
    exact: bool
    spans: bool = True
    """Whether what is reduced differs along the row: what does not must be spread over it."""
    place: str = "tl.int32"
    """Type of positions in a row."""

    @property
    def wide(self) -> str:
        """Type that is accumulated in."""
        kind = self.expr.kind
        if self.kind in ("any", "all"):
            return "tl.int32"
        if kind == "b8" and self.kind in ("amax", "amin", "argmax", "argmin"):
            raise Unsupported(f"{self.kind} of truth values in Triton")
        if kind == "b8":
            return "tl.int64"
        if self.exact and kind == "f32" and self.kind in ("sum", "prod", "moments"):
            return "tl.float64"
        return TYPE[kind]

    @property
    def start(self) -> str:
        """What nothing amounts to."""
        if self.kind in ("sum", "moments", "any"):
            return "0"
        if self.kind in ("prod", "all"):
            return "1"
        is_max = self.kind in ("amax", "argmax")
        if self.expr.kind == "i64":
            return str(-(2**63)) if is_max else str(2**63 - 1)
        return f'float("{"-" if is_max else ""}inf")'

    def fields(self) -> list[Field]:
        """The arrays of lanes."""
        n = self.name
        if self.kind == "moments":
            return [(f"u{n}", self.wide, "0"), (f"q{n}", self.wide, "0")]
        if self.kind in ("argmax", "argmin"):
            return [(f"a{n}", self.wide, self.start), (f"p{n}", self.place, str(FAR[self.place]))]
        return [(f"a{n}", self.wide, self.start)]

    def begin(self, tile: str, column: str, places: str) -> list[str]:
        """Statements before the first tile of that shape; ``column``: with one element a row, ``places``: those of the
        elements that come first.
        """
        shapes = {name: column if self.is_per_row(name) else tile for name, _, _ in self.fields()}
        lines = [f"{name} = tl.full({shapes[name]}, {start}, {kind})" for name, kind, start in self.fields()]
        if self.kind in ("argmax", "argmin"):
            lines[1] = f"p{self.name} = tl.full({tile}, 0, {self.place}) + ({places})"
        return lines

    def is_per_row(self, field: str) -> bool:
        """Whether that field is one value a row all along, not one a lane."""
        return False

    def value(self, text: str, mask: str, start: str | None = None) -> str:
        """An element in the type accumulated in; nothing where the mask says so. Always as wide as the tile."""
        if self.kind in ("any", "all"):
            text = f"({text} != 0)" if self.expr.kind != "b8" else text
        if not mask and self.spans:
            return f"{text}.to({self.wide})"
        chosen = f"tl.where({mask or 'j >= 0'}, {text}, {start or self.start})"
        return f"{chosen}.to({self.wide})"

    def whole(self, text: str, mask: str, count: int) -> list[str]:
        """Statements for a row that is there at once."""
        n, axis = self.name, self.axis
        if self.kind != "moments":
            lines = [f"a{n} = {self.value(text, mask)}"]
            if self.kind in ("argmax", "argmin"):
                here = f"({mask})" if mask else "(j >= 0)"
                lines.append(f"p{n} = tl.where({here} & (a{n} == a{n}), j, j).to({self.place})")
            return lines + self.finish("", "")
        # The mean of large values is rounded: what that leaves is taken from both moments.
        off = f"tl.where({mask}, g{n} - u{n}, 0)" if mask else f"(g{n} - u{n})"
        return [
            f"g{n} = {self.value(text, mask)}",
            f"u{n} = tl.sum(g{n}, {axis}, keep_dims=True) / {count}.0",
            f"d{n} = {off}",
            f"e{n} = tl.sum(d{n}, {axis}, keep_dims=True) / {count}.0",
            f"q{n} = tl.sum(d{n} * d{n}, {axis}, keep_dims=True) - e{n} * e{n} * {count}.0",
            f"q{n} = tl.where(q{n} < 0, 0, q{n})",
            f"u{n} += e{n}",
        ]

    def step(self, text: str, mask: str, turn: str) -> list[str]:
        """Statements for one tile; ``turn`` counts tiles from 1."""
        n = self.name
        if self.kind == "moments":
            off = f"tl.where({mask}, g{n} - u{n}, 0)" if mask else f"(g{n} - u{n})"
            return [
                f"g{n} = {self.value(text, mask)}",
                f"d{n} = {off}",
                f"u{n} += d{n} * (1.0 / {turn})",
                f"q{n} += d{n} * {off}",
            ]
        lines = [f"g{n} = {self.value(text, mask)}"]
        if self.kind == "sum":
            return [*lines, f"a{n} += g{n}"]
        if self.kind == "prod":
            return [*lines, f"a{n} *= g{n}"]
        if self.kind in ("any", "all"):
            return [*lines, f"a{n} {'|' if self.kind == 'any' else '&'}= g{n}"]
        if self.kind in ("amax", "amin"):
            name = "maximum" if self.kind == "amax" else "minimum"
            return [*lines, f"a{n} = {extreme(name, [f'a{n}', f'g{n}'], self.expr.kind)}"]
        return [*lines, f"a{n}, p{n} = kw_{self.kind}_later(a{n}, p{n}, g{n}, j.to({self.place}))"]

    def finish(self, counts: str, total: str) -> list[str]:
        """Lanes to one value a row. ``counts``: elements in each lane, and ``total`` in all (moments only)."""
        n, axis = self.name, self.axis
        if self.kind == "moments":
            return [
                f"c{n} = {counts}.to({self.wide})",
                f"m{n} = tl.sum(u{n} * c{n}, {axis}, keep_dims=True) / {total}",
                f"d{n} = tl.where(c{n} > 0, u{n} - m{n}, 0)",
                f"q{n} = tl.sum(q{n} + c{n} * d{n} * d{n}, {axis}, keep_dims=True)",
                f"u{n} = m{n}",
            ]
        if self.kind == "sum":
            return [f"a{n} = tl.sum(a{n}, {axis}, keep_dims=True)"]
        if self.kind in ("any", "all"):
            return [f"a{n} = tl.{'max' if self.kind == 'any' else 'min'}(a{n}, {axis}, keep_dims=True)"]
        if self.kind in ("argmax", "argmin"):
            return [f"a{n}, p{n} = tl.reduce((a{n}, p{n}), {axis}, kw_{self.kind}, keep_dims=True)"]
        if self.kind == "prod":
            return [f"a{n} = tl.reduce(a{n}, {axis}, kw_product, keep_dims=True)"]
        if self.expr.kind not in FLOATING:
            return [f"a{n} = tl.{self.kind[1:]}(a{n}, {axis}, keep_dims=True)"]
        name = "kw_maximum" if self.kind == "amax" else "kw_minimum"
        wide = "_wide" if self.expr.kind == "f64" else ""
        return [f"a{n} = tl.reduce(a{n}, {axis}, {name}{wide}, keep_dims=True)"]

    def result(self, wanted: str) -> str:
        """The finished value."""
        n = self.name
        if self.kind == "moments":
            return f"{'u' if wanted == 'mean_of' else 'q'}{n}.to({TYPE[self.expr.kind]})"
        if self.kind == wanted and wanted in PLACED.values():
            return f"p{n}.to(tl.int64)"
        if self.kind in ("any", "all"):
            return f"(a{n} != 0)"
        return f"a{n}" if self.expr.kind == "b8" else f"a{n}.to({TYPE[self.expr.kind]})"
