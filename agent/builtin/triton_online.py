"""The sum of exponentials in the same sweep as the maximum they are taken from: a softmax reads its rows once less."""

from __future__ import annotations

from dataclasses import dataclass

from agent.builtin.expr import Buffer, Expr
from agent.builtin.schedule import Traced
from agent.builtin.triton_reducers import Field, Lanes


@dataclass(frozen=True)
class Pair:
    """A maximum, and the sum of ``exp(x - maximum)``."""

    top: Buffer
    total: Buffer
    finite: bool
    """Whether 0 stands for a maximum that is infinite, as in logsumexp."""


def online_pairs(traced: Traced) -> list[Pair]:
    """The pairs of a nest; each maximum is in one of them at most."""
    roles = dict(traced.nest.members)
    tops = [b for b, role in roles.items() if role == "reduce" and b.definition.kind == "amax" and b.kind == "f32"]
    found: dict[Buffer, Pair] = {}
    for buffer, role in roles.items():
        if role != "reduce" or buffer.definition.kind != "sum" or buffer.kind != "f32":
            continue
        shifted = traced.exprs[buffer]
        if shifted.op != "exp" or shifted.args[0].op != "sub":
            continue
        value, subtracted = shifted.args[0].args
        finite = _is_finite(subtracted)
        top = subtracted.args[2] if finite else subtracted
        if top.op == "result" and top.payload in tops and traced.exprs[top.payload] is value:
            found.setdefault(top.payload, Pair(top.payload, buffer, finite))
    return list(found.values())


def _is_finite(expr: Expr) -> bool:
    """Whether it is ``isinf(x) ? 0 : x``."""
    if expr.op != "where":
        return False
    test, yes, no = expr.args
    return test.op == "isinf" and test.args[0] is no and yes.op == "const" and float(yes.payload) == 0


@dataclass(frozen=True)
class OnlineLanes(Lanes):
    """Both accumulators of a pair. What was summed is scaled whenever the maximum grows.

    The maximum is one a row from tile to tile, not one a lane: a lane would take a second exponential an element, of
    which a chip makes few.
    """

    finite: bool = False
    fast: bool = True
    """Triton's exponential, of numbers that are never positive, in place of libdevice's."""

    def is_per_row(self, field: str) -> bool:
        """See ``Lanes``: the maximum."""
        return field == f"a{self.name}"

    @property
    def _exp(self) -> str:
        return "tl.exp" if self.fast else "libdevice.exp"

    @property
    def wide(self) -> str:
        """Type of the sum."""
        return "tl.float64" if self.exact else "tl.float32"

    def fields(self) -> list[Field]:
        """The maximum's lanes, and the sum's."""
        return [(f"a{self.name}", "tl.float32", 'float("-inf")'), (f"b{self.name}", self.wide, "0")]

    def step(self, text: str, mask: str, turn: str) -> list[str]:
        """Statements for one tile."""
        n = self.name
        value = f'tl.where({mask}, {text}, float("-inf"))' if mask or not self.spans else text
        return [
            f"g{n} = {value}",
            f"n{n} = kw_maximum(a{n}, tl.reduce(g{n}, {self.axis}, kw_maximum, keep_dims=True))",
            f"z{n} = {self._shift(f'n{n}')}",
            f"b{n} = b{n} * {self._exp}(a{n} - z{n}) + {self._exp}(g{n} - z{n})",
            f"a{n} = n{n}",
        ]

    def _shift(self, top: str) -> str:
        """What is subtracted: a lane that has seen nothing has no maximum yet."""
        nothing = f'tl.abs({top}) == float("inf")' if self.finite else f'{top} == float("-inf")'
        return f"tl.where({nothing}, 0.0, {top})"

    def finish(self, counts: str, total: str) -> list[str]:
        """Lanes to one maximum and one sum a row."""
        n, axis = self.name, self.axis
        return [
            f"n{n} = tl.reduce(a{n}, {axis}, kw_maximum, keep_dims=True)",
            f"z{n} = {self._shift(f'n{n}')}",
            f"b{n} = tl.sum(b{n} * {self._exp}(a{n} - z{n}), {axis}, keep_dims=True)",
            f"a{n} = n{n}",
        ]

    def result(self, wanted: str) -> str:
        """The maximum or the sum; with nothing but -inf the exponentials were NaN."""
        n = self.name
        if wanted == "amax":
            return f"a{n}"
        return (
            f"b{n}.to(tl.float32)"
            if self.finite
            else f'tl.where(a{n} == float("-inf"), float("nan"), b{n}.to(tl.float32))'
        )
