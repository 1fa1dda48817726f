"""How each kind of reduction accumulates: per row, per lane, per thread, and how partial results are combined.

Floating sums are accumulated in float over at most one block (or ``FEW`` values) and in double over blocks, so that
a long row is as exact as torch's cascade. Means and squared deviations of a block take two passes, of which the second
corrects the first, and are combined by Chan's formula; extremes keep NaN, as torch does; the first of equal extremes
wins.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.builtin.cexpr import C_KIND
from agent.builtin.expr import Expr

FEW = 64
"""So many floats can be summed one after the other in float."""


@dataclass(frozen=True)
class Reducer:
    """One accumulator. ``kind`` as in ``lowering.Reduce``; ``moments`` serves both mean_of and m2_of."""

    kind: str
    expr: Expr
    name: str
    exact: bool = False
    """Whether block sums are kept in double from the start (numerics knob)."""
    count: int = 0
    """How many values are folded; 0 where that is not known."""

    @property
    def element(self) -> str:
        """C type of what is reduced."""
        return C_KIND[self.expr.kind]

    @property
    def wide(self) -> str:
        """C type of a sum. One of few floats stays a float: as exact as eager's, and twice as many fit a vector."""
        if self.expr.kind == "f32" and 0 < self.count <= FEW and not self.exact:
            return "float"
        return "double" if self.expr.kind in ("f32", "f64") else "int64_t"

    @property
    def floating(self) -> bool:
        """Whether NaN can occur."""
        return self.expr.kind in ("f32", "f64")

    @property
    def lowest(self) -> str:
        """Start of a maximum (or highest, of a minimum)."""
        is_max = self.kind in ("amax", "argmax")
        if self.expr.kind == "i64":
            return "INT64_MIN" if is_max else "INT64_MAX"
        if self.expr.kind == "b8":
            return "false" if is_max else "true"
        infinity = "__builtin_inff()" if self.expr.kind == "f32" else "__builtin_inf()"
        return f"(-{infinity})" if is_max else infinity

    @property
    def better(self) -> str:
        """C operator that says a new value wins."""
        return ">" if self.kind in ("amax", "argmax") else "<"

    def fields(self) -> list[tuple[str, str, str]]:
        """(type, name, start) of the accumulator's variables."""
        n = self.name
        if self.kind == "sum":
            return [(self.wide, f"a{n}", "0")]
        if self.kind == "prod":
            return [(self.wide, f"a{n}", "1")]
        if self.kind in ("amax", "amin"):
            return [(self.element, f"a{n}", self.lowest)] + ([("int32_t", f"n{n}", "0")] if self.floating else [])
        if self.kind in ("argmax", "argmin"):
            return [(self.element, f"a{n}", self.lowest), ("int64_t", f"p{n}", "-1"), ("int32_t", f"n{n}", "0")]
        if self.kind in ("any", "all"):
            return [("int32_t", f"a{n}", "0" if self.kind == "any" else "1")]
        return [("double", f"c{n}", "0"), ("double", f"u{n}", "0"), ("double", f"q{n}", "0")]

    # One block of a row: a vectorised loop over j

    @property
    def keeps_block(self) -> bool:
        """Whether the block's elements are needed after the loop."""
        return self.kind in ("argmax", "argmin", "moments")

    def block_start(self, block: int) -> list[str]:
        """Declarations before the loop over a block."""
        n, element = self.name, self.element
        lines = [f"alignas(64) {element} t{n}[{block}];"] if self.keeps_block else []
        if self.kind in ("sum", "moments"):
            kind = self.wide if self.exact and self.kind == "sum" else element
            kind = "int64_t" if self.expr.kind == "b8" else kind
            lines.append(f"{kind} b{n} = 0;")
        elif self.kind == "prod":
            lines.append(f"{element} b{n} = 1;")
        elif self.kind in ("any", "all"):
            lines.append(f"int32_t b{n} = {0 if self.kind == 'any' else 1};")
        else:
            lines.append(f"{element} b{n} = {self.lowest}; int32_t f{n} = 0;")
        return lines

    def clauses(self) -> list[str]:
        """OpenMP reduction clauses of the loop over a block."""
        n = self.name
        operator = {"sum": "+", "moments": "+", "prod": "*", "any": "|", "all": "&"}.get(self.kind)
        if operator:
            return [f"reduction({operator}:b{n})"]
        extreme = "max" if self.kind in ("amax", "argmax") else "min"
        return [f"reduction({extreme}:b{n})"] + ([f"reduction(max:f{n})"] if self.floating else [])

    def step(self, value: str) -> list[str]:
        """Statements for one element."""
        n = self.name
        keep = [f"t{n}[j] = {value};"] if self.keeps_block else []
        if self.kind in ("sum", "moments"):
            return [*keep, f"b{n} += {value};"]
        if self.kind == "prod":
            return [f"b{n} *= {value};"]
        if self.kind in ("any", "all"):
            return [f"b{n} {'|' if self.kind == 'any' else '&'}= (int32_t){value};"]
        lines = [*keep, f"b{n} = {value} {self.better} b{n} ? {value} : b{n};"]
        # A choice, because g++ 12 makes slow code of ``|=`` where ``value`` is itself a choice.
        return lines + ([f"f{n} = ({value} != {value}) ? 1 : f{n};"] if self.floating else [])

    def block_end(self, base: str) -> list[str]:
        """Fold the block into the accumulator; ``base`` is the linear position of its first element."""
        n, element = self.name, self.element
        if self.kind == "sum":
            return [f"a{n} += b{n};"]
        if self.kind == "prod":
            return [f"a{n} *= b{n};"]
        if self.kind in ("any", "all"):
            return [f"a{n} {'|' if self.kind == 'any' else '&'}= b{n};"]
        if self.kind in ("amax", "amin"):
            nan = [f"n{n} |= f{n};"] if self.floating else []
            return [f"a{n} = b{n} {self.better} a{n} ? b{n} : a{n};", *nan]
        if self.kind == "moments":
            return [
                f"const {element} bm{n} = b{n} / ({element})m; {element} bs{n} = 0, bq{n} = 0;",
                f'_Pragma("omp simd reduction(+:bs{n}, bq{n})")',
                "for (int64_t j = 0; j < m; ++j) {",
                f"  const {element} d = t{n}[j] - bm{n}; bs{n} += d; bq{n} += d * d; }}",
                # Far from 0 the first sum is off by more than the deviations can bear: what it left is in their sum.
                f"const double be{n} = (double)bs{n} / (double)m, bw{n} = (double)bq{n} - be{n} * (double)bs{n};",
                *self._chan("(double)m", f"((double)bm{n} + be{n})", f"(bw{n} < 0 ? 0 : bw{n})"),
            ]
        return [
            f"if (!n{n}) {{",
            f"  if (f{n}) {{ n{n} = 1;",
            f"    for (int64_t j = 0; j < m; ++j) if (t{n}[j] != t{n}[j]) {{ p{n} = {base} + j; break; }} }}",
            f"  else if (p{n} < 0 || b{n} {self.better} a{n}) {{",
            f"    a{n} = b{n}; for (int64_t j = 0; j < m; ++j) if (t{n}[j] == b{n}) {{ p{n} = {base} + j; break; }} }}",
            "}",
        ]

    def _chan(self, count: str, mean: str, squares: str) -> list[str]:
        n = self.name
        return [
            f"{{ const double k = {count}, g = c{n} + k, d = {mean} - u{n};",
            f"  if (g > 0) {{ q{n} += {squares} + d * d * c{n} * (k / g); u{n} += d * (k / g); c{n} = g; }} }}",
        ]

    def single(self, value: str) -> str:
        """Fold one value by itself, as a block of one element."""
        parts = [*self.block_start(1), *self.step(value), *self.block_end("0")]
        return " ".join(["{ const int64_t j = 0, m = 1; (void)j; (void)m;", *parts, "}"])

    def merge(self, part: str) -> list[str]:
        """Fold the accumulator of an earlier-to-later thread ``part`` (a struct) into this one."""
        n = self.name
        if self.kind == "moments":
            return self._chan(f"{part}.c{n}", f"{part}.u{n}", f"{part}.q{n}")
        if self.kind in ("argmax", "argmin"):
            return [
                f"if (!n{n} && {part}.p{n} >= 0 && (p{n} < 0 || {part}.n{n} || {part}.a{n} {self.better} a{n})) {{",
                f"  a{n} = {part}.a{n}; p{n} = {part}.p{n}; n{n} = {part}.n{n}; }}",
            ]
        if self.kind in ("amax", "amin"):
            nan = [f"n{n} |= {part}.n{n};"] if self.floating else []
            return [f"a{n} = {part}.a{n} {self.better} a{n} ? {part}.a{n} : a{n};", *nan]
        operator = {"sum": "+=", "prod": "*=", "any": "|=", "all": "&="}[self.kind]
        return [f"a{n} {operator} {part}.a{n};"]

    def result(self, wanted: str, at: str = "") -> str:
        """The finished value; ``at`` indexes lane arrays (``[t]``)."""
        n = self.name
        if wanted == "mean_of":
            return f"({self.element})u{n}{at}"
        if wanted == "m2_of":
            return f"({self.element})q{n}{at}"
        if self.kind in ("argmax", "argmin"):
            return f"(int64_t)p{n}{at}"
        if self.kind in ("amax", "amin") and self.floating and not at:
            nan = '__builtin_nanf("")' if self.expr.kind == "f32" else '__builtin_nan("")'
            return f"(n{n} ? {nan} : a{n})"
        if self.kind in ("any", "all"):
            return f"(a{n}{at} != 0)"
        return f"({C_KIND[self.expr.kind] if self.expr.kind != 'b8' else 'int64_t'})a{n}{at}"

    # Lanes: one accumulator for each of many neighbouring rows

    def lane_fields(self) -> list[tuple[str, str, str]]:
        """(type, name, start) of the arrays, one element a lane."""
        if self.kind in ("amax", "amin"):
            return self.fields()[:1]
        if self.kind in ("argmax", "argmin"):
            return [(self.element, f"a{self.name}", self.lowest), ("int32_t", f"p{self.name}", "0")]
        if self.kind == "moments":
            return self.fields()[1:]
        return self.fields()

    def lane_step(self, value: str, position: str) -> list[str]:
        """Statements for one element of lane ``t``; ``position`` is its place in the row."""
        n = self.name
        if self.kind == "sum":
            return [f"a{n}[t] += ({self.wide}){value};"]
        if self.kind == "prod":
            return [f"a{n}[t] *= ({self.wide}){value};"]
        if self.kind in ("any", "all"):
            return [f"a{n}[t] {'|' if self.kind == 'any' else '&'}= (int32_t){value};"]
        if self.kind == "moments":
            return [
                f"const double d{n} = (double){value} - u{n}[t];",
                f"u{n}[t] += d{n} * w{n}; q{n}[t] += d{n} * ((double){value} - u{n}[t]);",
            ]
        nan = f" || {value} != {value}" if self.floating else ""
        if self.kind in ("amax", "amin"):
            return [f"a{n}[t] = ({value} {self.better} a{n}[t]{nan}) ? {value} : a{n}[t];"]
        still = f" | (({value} != {value}) & (a{n}[t] == a{n}[t]))" if self.floating else ""
        return [
            f"const bool g{n} = ({value} {self.better} a{n}[t]){still};",
            f"a{n}[t] = g{n} ? {value} : a{n}[t]; p{n}[t] = g{n} ? (int32_t)({position}) : p{n}[t];",
        ]

    def lane_merge(self, part: str) -> list[str]:
        """Fold lane ``t`` of a later thread's arrays (``part`` names them) into this one's."""
        n = self.name
        if self.kind == "moments":
            return [
                f"const double k = w{part}, g = wc + k, d = {part}u{n}[t] - u{n}[t];",
                f"if (g > 0) {{ q{n}[t] += {part}q{n}[t] + d * d * wc * (k / g); u{n}[t] += d * (k / g); }}",
            ]
        if self.kind in ("argmax", "argmin"):
            better = f"{part}a{n}[t] {self.better} a{n}[t]"
            nan = f" || ({part}a{n}[t] != {part}a{n}[t] && a{n}[t] == a{n}[t])" if self.floating else ""
            return [f"if ({better}{nan}) {{ a{n}[t] = {part}a{n}[t]; p{n}[t] = {part}p{n}[t]; }}"]
        if self.kind in ("amax", "amin"):
            nan = f" || {part}a{n}[t] != {part}a{n}[t]" if self.floating else ""
            return [f"a{n}[t] = ({part}a{n}[t] {self.better} a{n}[t]{nan}) ? {part}a{n}[t] : a{n}[t];"]
        operator = {"sum": "+=", "prod": "*=", "any": "|=", "all": "&="}[self.kind]
        return [f"a{n}[t] {operator} {part}a{n}[t];"]
