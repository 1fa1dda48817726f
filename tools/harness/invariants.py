"""What an operator may rely on in its inputs: order, symmetry, zeros, sums of one. Runs inside a sandbox.

Nobody states such things; they are seen in a draw, where none of them comes about by chance. Unusual values keep them:
a kernel that searches ascending boundaries, or skips the zeros of a triangular matrix, does nothing wrong.
"""

from __future__ import annotations

import torch

LEAST = 8
"""Elements in a row from which on an order is no accident."""
ZERO_SHARE = 1 / 8
"""From so many zeros on, where they are means something."""
SUM_SLACK = 16.0
"""In units of the last place of 1, times the square root of the length of a row."""


def restored(changed: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """Values of ``changed`` with what held for ``drawn``; ``drawn`` itself where that cannot be had."""
    if not drawn.is_floating_point() or drawn.dim() == 0 or drawn.dtype.itemsize == 1 or not drawn.numel():
        return changed
    if _is_ascending(drawn):
        if not bool(torch.isfinite(changed).all()):
            return drawn
        changed = changed.sort(dim=-1).values
    if _is_symmetric(drawn):
        upper = changed.triu()
        changed = upper + changed.triu(1).transpose(-1, -2)
    if _has_places_of_zeros(drawn):
        changed = torch.where(drawn == 0, drawn, changed)
    if _sums_to_one(drawn):
        sums = changed.double().sum(dim=-1, keepdim=True)
        scaled = torch.where(sums > 0, changed.double() / sums, drawn.double())
        changed = torch.where(torch.isfinite(sums), scaled, changed.double()).to(drawn.dtype)
    return changed


def is_free(drawn: torch.Tensor) -> bool:
    """Whether rows of it may be exchanged, or sorted, without breaking anything that is kept here."""
    return not (_is_symmetric(drawn) or _has_places_of_zeros(drawn))


def _is_ascending(tensor: torch.Tensor) -> bool:
    return bool(tensor.shape[-1] >= LEAST and (tensor.diff(dim=-1) >= 0).all())


def _is_symmetric(tensor: torch.Tensor) -> bool:
    square = bool(tensor.dim() >= 2 and tensor.shape[-1] == tensor.shape[-2] >= LEAST)
    return bool(square and torch.equal(tensor, tensor.transpose(-1, -2)))


def _has_places_of_zeros(tensor: torch.Tensor) -> bool:
    zeros = int((tensor == 0).sum())
    return bool(ZERO_SHARE * tensor.numel() <= zeros < tensor.numel())


def _sums_to_one(tensor: torch.Tensor) -> bool:
    if tensor.shape[-1] < LEAST or bool((tensor < 0).any()):
        return False
    slack = SUM_SLACK * torch.finfo(tensor.dtype).eps * tensor.shape[-1] ** 0.5
    return bool(((tensor.double().sum(dim=-1) - 1).abs() <= slack).all())
