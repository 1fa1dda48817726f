"""Integer index arithmetic: affine in loop variables where possible, opaque terms where not.

A reshape turns an index into quotients and remainders. Where the ranges allow it they vanish; where one loop
variable stands in the way, the kernel splits that variable (``splits_wanted``) and traces again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.builtin.expr import Expr


@dataclass(frozen=True)
class Var:
    """A loop variable in ``[0, size)``."""

    name: str
    size: int


@dataclass(frozen=True)
class Quotient:
    """``floor(index / by)``, which could not be simplified."""

    index: Index
    by: int


@dataclass(frozen=True)
class Remainder:
    """``index mod by``, which could not be simplified."""

    index: Index
    by: int


@dataclass(frozen=True)
class Indirect:
    """An index read from a tensor, in ``[0, size)`` after wrapping negative values."""

    expr: Expr
    size: int


Term = Var | Quotient | Remainder | Indirect


@dataclass(frozen=True)
class Index:
    """``sum(coefficient * term) + const``; terms are unique and ordered by first appearance."""

    terms: tuple[tuple[Term, int], ...] = ()
    const: int = 0

    def __add__(self, other: Index | int) -> Index:
        """Sum; equal terms are merged."""
        if isinstance(other, int):
            return Index(self.terms, self.const + other)
        merged = dict(self.terms)
        for term, coefficient in other.terms:
            merged[term] = merged.get(term, 0) + coefficient
        total = Index(tuple((t, c) for t, c in merged.items() if c), self.const + other.const)
        return total._rejoined()

    def _rejoined(self) -> Index:
        """``(x / d) * d + x % d`` is ``x``: what a reshape took apart and an address put together again."""
        for term, coefficient in self.terms:
            if not isinstance(term, Remainder):
                continue
            index, by = term.index, term.by
            wanted = Quotient(index, by)
            rest = index
            if len(index.terms) == 1 and not index.const:
                inner, factor = index.terms[0]
                if isinstance(inner, Quotient) and factor == 1:
                    wanted = Quotient(inner.index, inner.by * by)
            found = dict(self.terms).get(wanted, 0)
            if found and found == coefficient * by:
                kept = tuple((t, c) for t, c in self.terms if t not in (term, wanted))
                return Index(kept, self.const) + rest * coefficient
        return self

    def __mul__(self, factor: int) -> Index:
        """Scaled by an integer."""
        if factor == 0:
            return Index()
        return Index(tuple((t, c * factor) for t, c in self.terms), self.const * factor)

    def bounds(self) -> tuple[int, int]:
        """Smallest and largest value it can take."""
        low = high = self.const
        for term, coefficient in self.terms:
            bottom, top = term_bounds(term)
            low += min(coefficient * bottom, coefficient * top)
            high += max(coefficient * bottom, coefficient * top)
        return low, high

    def over(self, divisor: int) -> Index:
        """Floor of the quotient by a positive integer."""
        if divisor == 1:
            return self
        whole, rest = self._separate(divisor)
        quotient = Index(tuple((t, c // divisor) for t, c in whole))
        low, high = rest.bounds()
        for step, coarse, _ in rest._steps(divisor):  # what is below one step changes nothing
            return quotient + coarse.over(divisor // step)
        if low // divisor == high // divisor:
            return quotient + low // divisor
        return quotient + Index(((Quotient(rest, divisor), 1),))

    def modulo(self, divisor: int) -> Index:
        """Remainder by a positive integer, in ``[0, divisor)``."""
        if divisor == 1:
            return Index()
        _, rest = self._separate(divisor)
        low, high = rest.bounds()
        if low // divisor == high // divisor:
            return rest + (-(low // divisor) * divisor)
        for step, coarse, fine in rest._steps(divisor):
            return coarse.modulo(divisor // step) * step + fine
        return Index(((Remainder(rest, divisor), 1),))

    def _steps(self, divisor: int) -> Iterator[tuple[int, Index, Index]]:
        """Divisors of ``divisor``, the largest first, by which this is ``step * coarse + fine`` with ``fine`` below
        one step.
        """
        for step in sorted({c for _, c in self.terms if 1 < c < divisor and divisor % c == 0}, reverse=True):
            whole, fine = self._separate(step)
            if fine.bounds()[0] >= 0 and fine.bounds()[1] < step:
                yield step, Index(tuple((t, c // step) for t, c in whole)), fine

    def _separate(self, divisor: int) -> tuple[tuple[tuple[Term, int], ...], Index]:
        whole = tuple((t, c) for t, c in self.terms if c % divisor == 0)
        rest = tuple((t, c) for t, c in self.terms if c % divisor)
        return whole, Index(rest, self.const)

    def coefficient(self, var: Var) -> int:
        """Factor of a loop variable."""
        return dict(self.terms).get(var, 0)

    def is_affine(self) -> bool:
        """Whether it is a plain sum of loop variables."""
        return all(isinstance(t, Var) for t, _ in self.terms)


def term_bounds(term: Term) -> tuple[int, int]:
    """Smallest and largest value of one term."""
    if isinstance(term, (Var, Indirect)):
        return 0, max(term.size - 1, 0)
    if isinstance(term, Remainder):
        return 0, term.by - 1
    low, high = term.index.bounds()
    return low // term.by, high // term.by


def of(value: int | Var) -> Index:
    """Index of a constant or of one loop variable."""
    if isinstance(value, int):
        return Index((), value)
    return Index(((value, 1),)) if value.size > 1 else Index()


def replaced(index: Index, var: Var, by: Index) -> Index:
    """The index with another one in the place of a loop variable; what is read from tensors stays as it is."""
    total = Index((), index.const)
    for term, coefficient in index.terms:
        part = Index(((term, 1),))
        if term == var:
            part = by
        elif isinstance(term, Quotient):
            part = replaced(term.index, var, by).over(term.by)
        elif isinstance(term, Remainder):
            part = replaced(term.index, var, by).modulo(term.by)
        total = total + part * coefficient
    return total


def strides_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides in elements."""
    strides = [1] * len(shape)
    for d in range(len(shape) - 2, -1, -1):
        strides[d] = strides[d + 1] * max(shape[d + 1], 1)
    return tuple(strides)


def flatten(index: list[Index], shape: tuple[int, ...]) -> Index:
    """Row-major offset of a multi-dimensional index."""
    total = Index()
    for part, stride in zip(index, strides_of(shape), strict=True):
        total = total + part * stride
    return total


def unflatten(flat: Index, shape: tuple[int, ...]) -> list[Index]:
    """Inverse of ``flatten``."""
    strides = strides_of(shape)
    parts = [flat.over(stride).modulo(size) for size, stride in zip(shape, strides, strict=True)]
    if parts and shape[0] > 0:
        parts[0] = flat.over(strides[0])  # the outermost needs no remainder
    return parts


def variables(index: Index) -> Iterator[Var]:
    """Every loop variable in it, inside opaque terms too."""
    for term, _ in index.terms:
        if isinstance(term, Var):
            yield term
        elif isinstance(term, (Quotient, Remainder)):
            yield from variables(term.index)
        else:
            yield from term.expr.variables


def splits_wanted(index: Index) -> Iterator[tuple[Var, int]]:
    """Pairs (loop variable, inner size): splitting so would remove an opaque term of ``index``."""
    for term, _ in index.terms:
        if isinstance(term, (Quotient, Remainder)):
            inner = term.index
            yield from splits_wanted(inner)
            for var, coefficient in inner.terms:
                if not isinstance(var, Var):
                    continue
                size = term.by // coefficient if coefficient > 0 and term.by % coefficient == 0 else 0
                if 1 < size < var.size and var.size % size == 0:
                    yield var, size
        elif isinstance(term, Indirect):
            yield from term.expr.splits()
