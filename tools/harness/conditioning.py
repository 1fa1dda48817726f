"""How far the oracle moves when its inputs are rounded once more, coarsely and finely. Runs inside a sandbox.

What the two are for: ``tools.harness.yardstick``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch

from tools.harness.rounding import HALVES, rounds_to_16_bits
from tools.harness.tensors import Leaves
from tools.harness.values import distance, nudge

Nudge = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Fineness:
    """In what precision a reference works."""

    finer: tuple[torch.dtype | None, ...] = ()
    """Per leaf its dtype, if that is finer than some input or parameter."""
    widens: bool = False
    """Whether there are such of 16 bits, and no result is rounded to as few: then they are no reason to be off."""


def fineness_of(given: Sequence[Any], run: Callable[[], Leaves]) -> Fineness:
    """``given``: inputs and parameters of ``run``, which is eager."""
    floating = [item for item in given if isinstance(item, torch.Tensor) and item.is_floating_point()]
    leaves: Leaves = []
    rounds = rounds_to_16_bits(lambda: leaves.extend(run()))
    widest = max((torch.finfo(item.dtype).eps for item in floating), default=0.0)
    finer = [dtype if dtype is not None and torch.finfo(dtype).eps < widest else None for dtype in map(_real, leaves)]
    return Fineness(tuple(finer), not rounds and any(item.dtype in HALVES for item in floating))


def responses(
    base: Leaves, fineness: Fineness, moved: Callable[[Nudge], Leaves | None]
) -> list[list[list[float]]] | None:
    """Per leaf the one response that counts, or a coarse and a fine one where eager's error has to decide, each as
    ``distance`` has it. None where the oracle does not answer.

    ``base``: its answer, ``moved``: that to inputs and parameters which are changed.
    """

    @cache
    def nudged(dtype: torch.dtype | None) -> Leaves | None:
        return moved(nudge if dtype is None else partial(_at_least, dtype=dtype))

    found: list[list[list[float]]] = []
    for index, finer in enumerate(fineness.finer):
        found.append([])
        for dtype in (finer,) if finer is None or fineness.widens else (None, finer):
            leaves = nudged(dtype)
            if leaves is None:
                return None
            half = 0.0 if dtype is None else torch.finfo(dtype).eps / 2
            found[-1].append(_rounded_too(distance(base[index], leaves[index]), half))
    return found


def _at_least(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Nudged in its own dtype, or in ``dtype`` where that is finer."""
    is_coarser = tensor.is_floating_point() and torch.finfo(tensor.dtype).eps > torch.finfo(dtype).eps
    return nudge(tensor, dtype=dtype if is_coarser else None)


def _rounded_too(response: list[float], half: float) -> list[float]:
    """As if the answer were rounded after that, each element by ``half`` of a unit at most: nobody writes down more."""
    worst, norm, scale, reference = response
    return [worst + half * scale, math.hypot(norm, half * reference), scale, reference]


def _real(value: Any) -> torch.dtype | None:
    """The dtype of a floating leaf, or of the parts of a complex one."""
    if isinstance(value, torch.Tensor) and (value.is_floating_point() or value.is_complex()):
        return value.dtype.to_real()
    return None
