"""Parameters as training would leave them. Runs inside a sandbox.

Many begin alike in every element: a norm's weight is 1, its bias 0, a running mean 0. A kernel that leaves them out is
right as long as they stay so, and wrong for every model that was ever trained.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn.modules.batchnorm import _NormBase

SPREAD = 0.5
"""Ones become numbers from 0.5 to 1.5, zeros from -0.5 to 0.5."""


def train(model: torch.nn.Module, seed: int) -> None:
    """Give values of their own to what is the same in every element, and meant to change: parameters that want a
    gradient, and the running statistics of norms. What else is constant (a mask, a fixed kernel) stays.

    Signs are kept, so that a variance stays positive. A matrix of zeros gets numbers as small as its rows are long.
    """
    lot = torch.Generator().manual_seed(seed ^ 0x7EA1)
    with torch.no_grad():
        for tensor in _changing(model):
            value = _everywhere(tensor)
            if value is None:
                continue
            noise = (torch.rand(tensor.shape, generator=lot) * 2 - 1) * SPREAD
            if value:
                tensor.copy_(value * (1 + noise))
            else:
                row = max(1, tensor.numel() // max(1, tensor.shape[0])) if tensor.dim() > 1 else 1
                tensor.copy_(noise / row**0.5)


def _changing(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.is_floating_point():
            yield parameter
    for module in model.modules():
        if isinstance(module, _NormBase):
            for buffer in (module.running_mean, module.running_var):
                if buffer is not None:
                    yield buffer


def _everywhere(tensor: torch.Tensor) -> float | None:
    """The one value of all its elements, None where there are several, or it is not finite."""
    if not tensor.numel():
        return None
    first = float(tensor.reshape(-1)[0])
    return first if abs(first) < float("inf") and bool((tensor == first).all()) else None
