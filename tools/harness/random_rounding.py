"""A reference computes in float64, and every result that float32 cannot hold is rounded to it up or down by lot: what
honest kernels may come to, whose formulas and orders are their own. Runs inside a sandbox.

Monte Carlo arithmetic (Parker, 1997). What is exact in float32 is not touched, so that only rounding decides anew.
"""

from __future__ import annotations

from typing import Any

import torch

from tools.harness.doubling import Doubling, makes_anew, mapped

EPS = torch.finfo(torch.float32).eps
LEAST, MOST = 0.5, 4.0
"""How far a result moves, in units of float32's last place: half as far as inputs do (``wavering``). If it were less,
two moves would cancel too often.
"""


class RandomRounding(Doubling):
    """Every float64 tensor that an operator makes is one of float32's numbers. ``sign``: 1.0, or -1.0 for the other
    way everywhere.
    """

    def __init__(self, seed: int, sign: float) -> None:
        super().__init__()
        self._seed = seed
        self._sign = sign
        self._lots: dict[torch.device, torch.Generator] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry out one operator."""
        result = super().__torch_dispatch__(func, types, args, kwargs)
        return mapped(result, self._rounded) if makes_anew(func) else result

    def _rounded(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.dtype != torch.float64:
            return value
        lot = self._lot(value.device)
        moved = torch.rand(value.shape, dtype=torch.float64, device=value.device, generator=lot)
        up = (moved - 0.5).sign_()
        moved.mul_(MOST - LEAST).add_(LEAST).mul_(up.mul_(self._sign * EPS)).add_(1).mul_(
            value
        )  # in place: it is large
        del up
        return torch.where(value.float() == value, value, moved.float().double())

    def _lot(self, device: torch.device) -> torch.Generator:
        if device not in self._lots:
            self._lots[device] = torch.Generator(device).manual_seed(self._seed)
        return self._lots[device]
