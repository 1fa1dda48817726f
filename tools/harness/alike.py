"""Whether the answers of a whole window are as near to a trusted contender's as they would have to be to the oracle's.

Nearly all are, and by far: one reading of both decides, and nobody waits for the device before all are read. The
others are compared as an answer to the oracle's is. Runs inside a sandbox, in the verifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tools.harness.differences import FLOATS, differences
from tools.harness.licence import Expected, Licence, compare, is_within_half
from tools.harness.wire import Leaf
from tools.harness.yardstick import Yardstick

Raws = list[torch.Tensor]
"""Flat bytes, one a leaf."""


@dataclass(frozen=True)
class Terms:
    """What is asked of each leaf of an answer."""

    licence: Licence
    leaves: Sequence[Leaf]
    yardsticks: Sequence[Yardstick]
    has_oracle: bool
    excused: Sequence[int] = ()
    """Of each leaf of integers, how many may differ; none by default (``Examiner.excused``)."""

    def stand_in(self, index: int, theirs: torch.Tensor) -> Expected:
        """A trusted answer in the oracle's place."""
        leaf = self.leaves[index]
        return Expected(leaf, theirs, leaf.dtype, theirs, has_oracle=self.has_oracle)


def are_alike(calls: Sequence[Sequence[Raws]], terms: Terms) -> list[bool]:
    """``calls``: of each, what was answered, and the trusted answer."""
    readings = [_read(mine, theirs, terms) for mine, theirs in calls]
    rows = [row for read in readings if read is not None for row in read.values()]
    numbers = iter(torch.stack(rows).tolist() if rows else [])
    found = []
    for read, (mine, theirs) in zip(readings, calls, strict=True):
        if read is None:
            found.append(False)
            continue
        near = {index for index in read if _is_near(index, next(numbers), terms)}
        left = [index for index in range(len(terms.leaves)) if index not in near]
        found.append(not left or _compared(mine, theirs, left, terms))
    return found


def _read(mine: Raws, theirs: Raws, terms: Terms) -> dict[int, torch.Tensor] | None:
    """By leaf, the differences of those that can be read so; None for an answer of another form."""
    if not len(mine) == len(theirs) == len(terms.leaves):
        return None
    if any(x.numel() != y.numel() for x, y in zip(mine, theirs, strict=True)):
        return None
    if terms.licence.precision != "native":
        return {}
    floats = [index for index, leaf in enumerate(terms.leaves) if leaf.dtype in FLOATS and mine[index].numel()]
    return {index: differences(mine[index], theirs[index], terms.leaves[index].dtype) for index in floats}


def _is_near(index: int, numbers: list[float], terms: Terms) -> bool:
    scale, worst, gap_squares, squares = numbers
    leaf = terms.leaves[index]
    stand_in = Expected(leaf, b"", leaf.dtype, b"", has_oracle=terms.has_oracle)
    return is_within_half(stand_in, terms.yardsticks[index], scale, worst, gap_squares, squares)


def _compared(mine: Raws, theirs: Raws, left: list[int], terms: Terms) -> bool:
    for index in left:
        stand_in = terms.stand_in(index, theirs[index])
        found = compare(mine[index], stand_in, terms.licence, terms.yardsticks[index])
        if not found.passed and not 0 < found.astray <= (terms.excused[index] if terms.excused else 0):
            return False
    return True
