"""Numbers that rounding decides: a sum's nearest integer, the position of the largest. Runs inside a sandbox.

Two honest sums differ in their last places, and where they come to lie on two sides of a boundary the integer made of
them differs altogether, or the number that is rounded to a grid. So the float64 reference is asked again with its
inputs moved by as much as the licence excuses, in several directions, there and back. What it answers then is right
too, unless moving them in that direction by next to nothing does the same: then the reference stands exactly on the
boundary (a half, two equal elements), and how its inputs are rounded explains no other answer.

How its own results are rounded may (``random_rounding``): ``x / (largest / 127)`` comes to a half in one number of
60,000 where inputs have 16 bits, and who multiplies by a reciprocal comes to one side of it or the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch

from tools.harness.tensors import Leaves
from tools.harness.values import lot_of, nudge

DIRECTIONS = 8
PATIENCE_S = 5.0
"""After which no further direction is tried: a candidate must not make a slow reference run into its time limit."""
NEXT_TO_NOTHING = 2.0**-44
AT_ONCE = 1e-3
"""Of a jump: what moves by so little when its inputs do by next to nothing does not stand on the boundary."""
REACH_EPS, HALF_REACH_EPS = 8.0, 2.0
"""How far inputs move, in units of their dtype; less for 16 bits, as the licence has it."""

ROUNDINGS = (range(3), range(3, 8))
"""Lots by which results are rounded, step by step: in one of six or seven a quotient that is a half is a half again.
The last of the ``STEPS`` moves inputs. Each takes long, and few need more than one.
"""

Nudge = Callable[[torch.Tensor], torch.Tensor]


def roundings(answer: Callable[[int, float], Leaves | None], lots: Iterable[int]) -> Iterator[Leaves]:
    """What the reference answers when its results are rounded by these lots, there and back."""
    begin = time.monotonic()
    for lot in lots:
        for sign in (1.0, -1.0):
            if time.monotonic() - begin > PATIENCE_S:
                return
            if (found := answer(lot, sign)) is not None:
                yield found


def wavering(answer: Callable[[Nudge], Leaves | None], base: Leaves, *, widens: bool = False) -> Iterator[Leaves]:
    """Other right answers than ``base``. Numbers that do not jump move a little: that is not for here.

    ``widens``: whether eager works in float32 or finer, whatever its inputs are.
    """
    begin = time.monotonic()
    for direction in range(DIRECTIONS):
        for sign in (1.0, -1.0):
            if time.monotonic() - begin > PATIENCE_S:
                return
            move = partial(_moved, direction=direction, sign=sign, widens=widens)
            far, near = answer(move), answer(partial(move, by=NEXT_TO_NOTHING))
            if near is not None and far is not None:
                yield [_unless_at_once(*three) for three in zip(base, near, far, strict=True)]


def others(answers: Iterable[Leaves]) -> list[tuple[int, torch.Tensor]]:
    """Number of a leaf and one answer to it: each of the integers, of floating numbers the least and the largest."""
    found: list[tuple[int, torch.Tensor]] = []
    ends: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    for leaves in answers:
        for index, leaf in enumerate(leaves):
            if is_whole(leaf):
                found.append((index, leaf))
            elif isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
                low, high = ends.get(index, (leaf, leaf))
                ends[index] = torch.minimum(low, leaf), torch.maximum(high, leaf)
    return found + [(index, end) for index, pair in ends.items() for end in pair]


def _moved(tensor: torch.Tensor, direction: int, sign: float, *, widens: bool, by: float | None = None) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    dtype = torch.float32 if widens and tensor.dtype.itemsize == 2 else tensor.dtype
    units = HALF_REACH_EPS if dtype.itemsize == 2 else REACH_EPS
    return nudge(tensor, sign * (torch.finfo(dtype).eps * units if by is None else by), lot_of(direction))


def _unless_at_once(base: Any, near: Any, far: Any) -> Any:
    if not isinstance(base, torch.Tensor) or base.is_complex() or not base.shape == near.shape == far.shape:
        return base
    if is_whole(base):
        return torch.where(near == base, far, base)
    return torch.where((near - base).abs() <= AT_ONCE * (far - base).abs(), far, base)


def is_whole(leaf: Any) -> bool:
    """Whether it is a tensor of integers or truth values."""
    return isinstance(leaf, torch.Tensor) and not leaf.is_floating_point() and not leaf.is_complex()
