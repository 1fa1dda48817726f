"""Where a NaN in an answer says nothing of it: masked numbers that reach it all the same. Runs inside a sandbox.

``0 * NaN`` is NaN, so a reference that multiplies by a mask spoils elements which do not depend on the masked number,
and an honest kernel that skips what is masked does not. Such an element may be NaN, or what it is for every finite
number in that place.

That no finite number matters is not enough: a minimum of many forgets a large number too, and a kernel that loses its
NaN is wrong. So an infinity has to make NaN of that element as well. Arithmetic does (``0 * inf``, ``inf - inf``), and
no comparison.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from tools.harness.tensors import Leaves, decode, encode
from tools.harness.values import lot_of

NONFINITE = "nonfinite"
ALONE = " alone"
"""After the dress's name: only one of its numbers is put."""
FAR = 100.0
"""Times the largest number of a tensor: it wins every comparison, and stays below what people mask with."""
SAME = 1e-12
"""Of the answer's scale: float64 that was reckoned alike."""

Answer = Callable[[list[Any]], Leaves]


def spared(answer: Answer, drawn: list[Any], dressed: list[Any], leaves: Leaves) -> dict[int, torch.Tensor]:
    """By leaf, what is right besides ``leaves``, NaN where nothing is; leaves without such elements are left out.

    ``leaves``: the answer to ``dressed``, whose numbers are not finite where they differ from ``drawn``.
    """

    def ask(far: float) -> list[torch.Tensor]:
        return _doubles(answer(_filled(drawn, dressed, far)))

    free = {i: leaf.isnan() for i, leaf in enumerate(_doubles(leaves)) if bool(leaf.isnan().any())}
    if not free:
        return {}
    plain = _doubles(answer(drawn))
    for far in (FAR, -FAR):
        other = ask(far)
        free = {i: mask & _same(plain[i], other[i], mask) for i, mask in free.items()}
        if not any(bool(mask.any()) for mask in free.values()):
            return {}  # so it is for nearly every problem
    high, low = ask(float("inf")), ask(float("-inf"))
    free = {i: mask & (high[i].isnan() | low[i].isnan()) for i, mask in free.items()}
    nothing = torch.tensor(float("nan"), dtype=torch.float64)
    return {i: torch.where(mask, plain[i], nothing) for i, mask in free.items() if bool(mask.any())}


def only_one(drawn: list[Any], dressed: list[Any], seed: int) -> list[Any]:
    """The inputs as drawn but for one number of the dress, by lot."""
    before, after, spec = _pairs(drawn, dressed)
    places = [_places(*pair).flatten().nonzero().flatten() for pair in zip(before, after, strict=True)]
    total = sum(len(item) for item in places)
    chosen = int(torch.randint(max(1, total), (), generator=lot_of(seed ^ 0xA10E)))
    kept = []
    for mine, theirs, where in zip(before, after, places, strict=True):
        if 0 <= chosen < len(where):
            here = torch.arange(mine.numel()).view(mine.shape) == where[chosen]
            mine = torch.where(here, theirs, mine)
        chosen -= len(where)
        kept.append(mine)
    return list(decode(spec, kept))


def _pairs(drawn: list[Any], dressed: list[Any]) -> tuple[list[torch.Tensor], list[torch.Tensor], Any]:
    before: list[torch.Tensor] = []
    after: list[torch.Tensor] = []
    encode(drawn, before)
    return before, after, encode(dressed, after)


def _places(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """Where the dress put something."""
    if not before.is_floating_point():
        return torch.zeros(before.shape, dtype=torch.bool)
    return ~after.isfinite() & (after != before) & ~(after.isnan() & before.isnan())


def _filled(drawn: list[Any], dressed: list[Any], far: float) -> list[Any]:
    """The inputs as drawn, with ``far`` times their largest number wherever the dress put something."""
    before, after, spec = _pairs(drawn, dressed)
    return list(decode(spec, [_fill(*pair, far) for pair in zip(before, after, strict=True)]))


def _fill(before: torch.Tensor, after: torch.Tensor, far: float) -> torch.Tensor:
    put = _places(before, after)
    if not bool(put.any()):
        return before
    finite = before[before.isfinite()]
    largest = (float(finite.abs().max()) if finite.numel() else 0.0) or 1.0
    limit = torch.finfo(before.dtype).max / 4
    value = far if math.isinf(far) else min(limit, max(-limit, far * largest))
    return torch.where(put, torch.tensor(value, dtype=before.dtype), before)


def _same(one: torch.Tensor, other: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Elements in which both are finite and alike, by the scale of those in ``where``."""
    here = where & one.isfinite()
    scale = float(one[here].abs().max()) if bool(here.any()) else 0.0
    return here & other.isfinite() & ((one - other).abs() <= SAME * scale)


def _doubles(leaves: Leaves) -> list[torch.Tensor]:
    """Real tensors in float64, and something empty for whatever else there is."""
    return [
        torch.as_tensor(leaf if isinstance(leaf, torch.Tensor) and leaf.is_floating_point() else ()).double()
        for leaf in leaves
    ]
