"""How far two answers are from each other, in one reading of both: what comparing every call of a window takes.

Runs inside a sandbox, in the verifier.
"""

from __future__ import annotations

import math
from typing import Any

import torch

BLOCK = 8192
FLOATS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
COLUMNS = 4


def differences(mine: torch.Tensor, theirs: torch.Tensor, dtype: str) -> torch.Tensor:
    """Of two flat tensors of bytes that hold as many numbers of ``dtype``: largest absolute value of ``theirs``,
    largest absolute difference, sum of the squares of the differences, and of ``theirs``; 4 values in float64, on the
    device of the two, and nobody has waited for them. Where a number is not finite the middle two are infinite, and the
    first and the last may be infinite or NaN: who asks whether they are small has to ask whether they are finite.
    """
    x, y = (raw.view(FLOATS[dtype]) for raw in (mine, theirs))
    if x.device.type == "cuda":
        return totals(parts_on_device(x, y))
    return totals(_parts(x.float(), y.float()))


def totals(parts: torch.Tensor) -> torch.Tensor:
    """Of the parts of stretches, a row each."""
    largest = parts[:, :2].amax(0).double()
    return torch.cat([largest, parts[:, 2:].sum(0, dtype=torch.float64)])


def _parts(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One row."""
    gap = (x - y).abs()
    gap = torch.where(gap.isnan(), math.inf, gap)
    return torch.stack([y.abs().amax(), gap.amax(), (gap.double() ** 2).sum(), (y.double() ** 2).sum()]).double()[None]


def parts_on_device(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """A row for every ``BLOCK`` numbers, in float32."""
    from tools.harness.differences_kernel import differences_kernel

    count = x.numel()
    rows = -(-count // BLOCK)
    found = torch.empty(rows, COLUMNS, dtype=torch.float32, device=x.device)
    kernel: Any = differences_kernel
    kernel[(rows,)](x, y, found, count, BLOCK=BLOCK, num_warps=8)
    return found
