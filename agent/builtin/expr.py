"""Scalar expressions of a kernel: interned, so that equal expressions are one object and are computed once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from agent.builtin.index import Index, Var, splits_wanted, variables

Kind = Literal["f32", "f64", "i64", "b8"]
"""What a value is computed in: every half is computed in float, every integer in int64_t."""

KIND_OF: dict[str, Kind] = {
    "float32": "f32", "float16": "f32", "bfloat16": "f32", "float64": "f64", "int64": "i64", "int32": "i64",
    "int16": "i64", "int8": "i64", "uint8": "i64", "bool": "b8",
}  # fmt: skip
RANK: dict[Kind, int] = {"b8": 0, "i64": 1, "f32": 2, "f64": 3}

HEAVY = frozenset(
    [
        "exp",
        "exp_fast",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "tanh",
        "tanh_fast",
        "tanh_softplus",
        "erf",
        "erf_fast",
        "sigmoid",
        "sin",
        "cos",
        "tan",
        "pow",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "asinh",
        "acosh",
        "atanh",
        "atan2",
        "erfc",
    ]
)


@dataclass(eq=False)
class Buffer:
    """A tensor in memory: an input of the operator, or something computed on the way."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    strides: tuple[int, ...]
    origin: str = "computed"
    """``user``, ``parameter``, ``buffer``, ``constant`` or ``computed``."""
    target: Any = None
    definition: Any = None
    values: tuple[Any, ...] | None = None
    """Elements of a small constant."""

    @property
    def numel(self) -> int:
        """Number of elements."""
        total = 1
        for size in self.shape:
            total *= size
        return total

    @property
    def kind(self) -> Kind:
        """What its elements are computed in."""
        return KIND_OF[self.dtype]


@dataclass(eq=False, slots=True)
class Expr:
    """One node. ``op`` is ``const``, ``load``, ``index``, ``cast``, ``where`` or the name of a function."""

    op: str
    args: tuple[Expr, ...]
    kind: Kind
    payload: Any
    variables: frozenset[Var]
    number: int
    loads: frozenset[Buffer] = field(default_factory=frozenset)

    @property
    def is_heavy(self) -> bool:
        """Whether computing it again costs more than loading it from cache."""
        return self.op in HEAVY

    def splits(self) -> Iterator[tuple[Var, int]]:
        """Loop-variable splits that would simplify an index somewhere in it."""
        for node in walk([self]):
            if node.op == "load":
                yield from splits_wanted(node.payload[1])
            elif node.op == "index":
                yield from splits_wanted(node.payload)


class Exprs:
    """Makes and interns expressions."""

    def __init__(self) -> None:
        self._known: dict[Any, Expr] = {}
        self.guards: list[Expr] = []
        """Conditions under which what is being built is used; loads outside them must not happen."""

    def _intern(
        self,
        op: str,
        args: tuple[Expr, ...],
        kind: Kind,
        payload: Any,
        own: frozenset[Var],
        buffer: Buffer | None = None,
    ) -> Expr:
        key = (op, tuple(a.number for a in args), kind, payload)
        found = self._known.get(key)
        if found is None:
            loads = frozenset([buffer]) if buffer else frozenset()
            found = Expr(
                op, args, kind, payload, own.union(*(a.variables for a in args)), len(self._known),
                loads.union(*(a.loads for a in args)),
            )  # fmt: skip
            self._known[key] = found
        return found

    def const(self, value: float | bool, kind: Kind) -> Expr:
        """A number."""
        if kind == "b8":
            value = bool(value)
        elif kind == "i64":
            value = int(value)
        else:
            value = float(value)
        return self._intern("const", (), kind, repr(value), frozenset())

    def index(self, index: Index) -> Expr:
        """The value of an index, as an integer."""
        if not index.terms:
            return self.const(index.const, "i64")
        return self._intern("index", (), "i64", index, frozenset(variables(index)))

    def load(self, buffer: Buffer, offset: Index, guards: tuple[Expr, ...] | None = None) -> Expr:
        """An element of a buffer, offset in elements; under the guards there are, or those given."""
        guard = tuple(self.guards) if guards is None else guards
        return self._intern("load", guard, buffer.kind, (buffer, offset), frozenset(variables(offset)), buffer)

    def cast(self, value: Expr, kind: Kind) -> Expr:
        """The value in another kind, as C converts it (to bool: is not zero)."""
        if value.kind == kind:
            return value
        if value.op == "const":
            number = float(value.payload) if value.kind != "b8" else float(value.payload == "True")
            if kind in ("f32", "f64") or (number == number and abs(number) < 2**53):
                return self.const(number, kind)
        return self._intern("cast", (value,), kind, None, frozenset())

    def call(self, op: str, kind: Kind, *args: Expr) -> Expr:
        """A function of expressions. Arguments are of the kind the function works in."""
        return self._intern(op, args, kind, None, frozenset())

    def where(self, condition: Expr, yes: Expr, no: Expr) -> Expr:
        """``condition ? yes : no``; both of one kind."""
        if yes is no:
            return yes
        return self._intern("where", (condition, yes, no), yes.kind, None, frozenset())

    def result(self, buffer: Buffer, over: frozenset[Var]) -> Expr:
        """What a reduction of the same nest gave for the current row (or a scan at the current point)."""
        return self._intern("result", (), buffer.kind, buffer, over)

    def rebuilt(self, node: Expr, args: tuple[Expr, ...]) -> Expr:
        """The node over other arguments."""
        if all(a is b for a, b in zip(node.args, args, strict=True)):
            return node
        own = node.variables if node.op in ("load", "index") else frozenset()
        buffer = node.payload[0] if node.op == "load" else None
        return self._intern(node.op, args, node.kind, node.payload, own, buffer)


def walk(roots: list[Expr]) -> Iterator[Expr]:
    """Every node once, arguments before the nodes that use them; indirect indices included."""
    seen: set[int] = set()
    stack: list[tuple[Expr, bool]] = [(r, False) for r in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
            continue
        if node.number in seen:
            continue
        seen.add(node.number)
        stack.append((node, True))
        stack.extend((a, False) for a in reversed(node.args))
        if node.op == "load":
            stack.extend((e, False) for e in indirect(node.payload[1]))
        elif node.op == "index":
            stack.extend((e, False) for e in indirect(node.payload))


def indirect(index: Index) -> Iterator[Expr]:
    """Expressions whose values an index needs."""
    for term, _ in index.terms:
        inner = getattr(term, "expr", None)
        if inner is not None:
            yield inner
        nested = getattr(term, "index", None)
        if nested is not None:
            yield from indirect(nested)
