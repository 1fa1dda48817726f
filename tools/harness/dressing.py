"""Other values and other layouts for drawn inputs: what people's data look like on a bad day. Runs inside a sandbox.

Every dress leaves shapes and dtypes as they are. Values are changed at secret random places, so that ordinary and
unusual ones are mixed within one tensor and nothing about the first element tells which call this is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from tools.harness.invariants import is_free, restored
from tools.harness.tensors import Leaves
from tools.harness.values import lot_of, map_tensors

FAR = 8.0
"""Times what numbers are in the mean: hardly one of them is as far from 0."""
ROWS_OF = 8
"""Of so many rows, one is of each kind; half of all stay."""


def put_on(dress: str, inputs: list[Any], seed: int) -> list[Any]:
    """``inputs`` in a dress of ``DRESSES``; the same seed changes the same places."""
    lot = lot_of(seed ^ 0x5EED)
    change = DRESSES[dress]

    def dressed(tensor: torch.Tensor) -> torch.Tensor:
        changed = change(tensor, lot)
        if dress in LAYOUTS or changed is tensor:
            return changed
        return _like(restored(changed, tensor), tensor)

    with torch.no_grad():
        return map_tensors(inputs, lambda tensor: dressed(tensor.detach()))


def says_something(leaves: Leaves) -> bool:
    """Whether some element of every tensor is finite."""
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.numel()]
    return all(bool(torch.isfinite(tensor).any()) for tensor in tensors)


def _mixed(tensor: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """A twentieth a thousand times larger, a twentieth ten thousand times smaller, some subnormal, a few zeros."""
    if not _is_real(tensor):
        return tensor
    changed = _untied(tensor, lot)
    chance = torch.rand(tensor.shape, generator=lot)
    return _like(torch.where(chance < 0.001, torch.zeros_like(tensor), changed), tensor)


def _untied(tensor: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """The same without zeros: it makes no two elements alike."""
    if not _is_real(tensor):
        return tensor
    chance = torch.rand(tensor.shape, generator=lot)
    large = 1e3 if tensor.dtype in (torch.float32, torch.float64, torch.bfloat16) else 1e1
    tiny = torch.finfo(tensor.dtype).tiny / 8 * (1 + torch.rand(tensor.shape, generator=lot, dtype=torch.float64))
    changed = torch.where(chance < 0.05, tensor * large, tensor)
    changed = torch.where((chance >= 0.05) & (chance < 0.10), tensor * 1e-4, changed)
    changed = torch.where((chance >= 0.10) & (chance < 0.12), tiny.to(tensor.dtype).copysign(tensor), changed)
    return _like(changed, tensor)


def _nonfinite(tensor: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """One NaN and both infinities, each in a place of its own."""
    if not _is_real(tensor) or tensor.numel() < 16:
        return tensor
    changed = tensor.clone().contiguous()
    flat = changed.view(-1)
    places = torch.randperm(min(flat.numel(), 1 << 20), generator=lot)[:3]
    flat[places] = torch.tensor([float("nan"), float("inf"), float("-inf")], dtype=tensor.dtype)
    return _like(changed, tensor)


def _integers(tensor: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """Whole numbers from -3 to 3, or from 0 to 3 where none is below: sums and products of them are exact, in whatever
    order.
    """
    if not _is_real(tensor):
        return tensor
    least = -3 if bool((tensor < 0).any()) else 0
    return _like(torch.randint(least, 4, tensor.shape, generator=lot).to(tensor.dtype), tensor)


def _sorted(tensor: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """Ascending along the last dimension: every large element is at one end."""
    if not _is_real(tensor) or tensor.dim() == 0 or not is_free(tensor):
        return tensor
    return _like(tensor.sort(dim=-1).values, tensor)


def _rows(tensor: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """Some rows all zero, some constant, some ten thousand times smaller, some far above or below 0: padding, dead
    channels, data that nobody centred. A row lies along the last dimension; of four dimensions and more, along the last
    two.
    """
    if not _is_real(tensor) or tensor.dim() < 2 or not tensor.numel():
        return tensor
    lead = tensor.shape[: max(1, tensor.dim() - (1 if tensor.dim() <= 3 else 2))]
    shape = (*lead, *(1,) * (tensor.dim() - len(lead)))
    count = 1
    for length in lead:
        count *= length
    kinds = (torch.randperm(max(count, ROWS_OF), generator=lot)[:count] % ROWS_OF).view(shape)
    far = _far(tensor) * (1 - 2 * (torch.rand(shape, generator=lot) < 0.5) * _goes_below(tensor))
    first = tensor[(..., *(slice(0, 1),) * (tensor.dim() - len(lead)))]
    changed = tensor
    others = (torch.zeros_like(tensor), first.expand_as(tensor), tensor * 1e-4, _moved(tensor, far))
    for kind, values in enumerate(others):
        changed = torch.where(kinds == kind, values, changed)
    return _like(changed, tensor)


def _above(tensor: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """All of it far above 0, so that along every dimension the mean is large and the spread is not."""
    return _moved(tensor, _far(tensor)) if _is_real(tensor) and tensor.numel() else tensor


def _below(tensor: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """All of it far below 0, where a maximum that begins at 0, or at -100, is wrong; not where nothing is below 0."""
    if not _is_real(tensor) or not tensor.numel() or not _goes_below(tensor):
        return tensor
    return _moved(tensor, -_far(tensor))


def _lower(tensor: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """All of it below -100, if it is about 1 in size; near enough to 0 before it is made larger that hardly two
    elements become equal.
    """
    if not _is_real(tensor) or not tensor.numel() or not _goes_below(tensor):
        return tensor
    return _like(_moved(tensor, -FAR * float(tensor.double().abs().mean())) * 64, tensor)


def _far(tensor: torch.Tensor) -> float:
    """So far that ``E[x^2] - E[x]^2`` keeps nothing of the spread and two passes keep most of it."""
    mean = float(tensor.double().abs().mean())
    return mean * max(FAR, 1 / (3 * math.sqrt(torch.finfo(tensor.dtype).eps)))


def _goes_below(tensor: torch.Tensor) -> bool:
    return bool((tensor < 0).any())


def _moved(tensor: torch.Tensor, by: float | torch.Tensor) -> torch.Tensor:
    return _like((tensor.double() + by).to(tensor.dtype), tensor)


def _strided(tensor: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """The same values, stored with the last two dimensions swapped; every other element where there is but one."""
    if tensor.dim() >= 2:
        return tensor.transpose(-1, -2).contiguous().transpose(-1, -2)
    if tensor.dim() == 1 and tensor.numel() > 1:
        return torch.stack([tensor, tensor], dim=-1)[:, 0]
    return tensor


def _expanded(tensor: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """The first row for all rows, without storage for the others."""
    if tensor.dim() < 2 or tensor.shape[0] < 2 or not is_free(tensor):
        return tensor
    return tensor[:1].clone().expand(tensor.shape)


def _repeated(tensor: torch.Tensor, lot: torch.Generator) -> torch.Tensor:
    """Of integers, one drawn value in most places and another in most of the rest; of truth values, rows all alike.

    Integers no two of which are equal stay: they may be a permutation, whose repeats nobody promised to bear. Ascending
    ones (segments, offsets) stay ascending, from the first to the last.
    """
    if tensor.is_floating_point() or tensor.is_complex() or not tensor.numel():
        return tensor
    if tensor.dtype == torch.bool:
        chance = torch.rand((*tensor.shape[:-1], 1)[: max(1, tensor.dim())], generator=lot)
        return _like(torch.where(chance < 0.3, chance < 0.15, tensor).view(tensor.shape), tensor)
    flat = tensor.reshape(-1)
    if flat.unique().numel() == flat.numel():
        return tensor
    often, second = (flat[int(torch.randint(flat.numel(), (), generator=lot))] for _ in range(2))
    chance = torch.rand(tensor.shape, generator=lot)
    changed = torch.where(chance < 0.8, often, torch.where(chance < 0.95, second, tensor))
    if bool((tensor.diff(dim=-1) >= 0).all()):
        changed[..., 0], changed[..., -1] = tensor[..., 0], tensor[..., -1]
        changed = changed.sort(dim=-1).values
    return _like(changed, tensor)


def _is_real(tensor: torch.Tensor) -> bool:
    return bool(tensor.is_floating_point() and tensor.dtype.itemsize > 1)


def _like(changed: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """Values of the one in the layout of the other."""
    if changed.stride() == tensor.stride():
        return changed
    return torch.empty_like(tensor).copy_(changed)


DRESSES: dict[str, Callable[[torch.Tensor, torch.Generator], torch.Tensor]] = {
    "mixed": _mixed,
    "untied": _untied,
    "nonfinite": _nonfinite,
    "integers": _integers,
    "sorted": _sorted,
    "rows": _rows,
    "above": _above,
    "below": _below,
    "lower": _lower,
    "strided": _strided,
    "expanded": _expanded,
    "repeated": _repeated,
}
LAYOUTS = frozenset({"strided", "expanded"})
"""Those that leave values, or rows, as they are."""
