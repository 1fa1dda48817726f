"""Whether a reference rounds to 16 bits on its way. Runs inside a sandbox.

Inputs of 16 bits say nothing of that: most models widen them, and all is done in float32. Nor does the dtype of a
result: moving numbers about, their largest, their sign are exact. So every result of 16 bits is worked out in float64
too, from the same arguments, and was rounded if it is another number. Whatever cannot be told counts as rounded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tools.harness.doubling import doubled, mapped
from tools.harness.faults import REFUSALS

HALVES = (torch.float16, torch.bfloat16, torch.complex32)


def rounds_to_16_bits(run: Callable[[], object]) -> bool:
    """Whether some operator that ``run`` carries out does."""
    with _Rounding() as watch:
        run()
    found: bool = watch.found
    return found


class _Rounding(TorchDispatchMode):  # type: ignore[misc]  # torch is unknown to mypy
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry out one operator, and another time in float64 where 16 bits are concerned."""
        kwargs = kwargs or {}
        if self.found or not any(map(_is_half, tree_leaves((args, kwargs)))):
            return func(*args, **kwargs)
        wide_args, wide_kwargs = mapped(args, _own_double), mapped(kwargs, _own_double)
        result = func(*args, **kwargs)
        try:
            wide = tree_leaves(func(*wide_args, **wide_kwargs))
            pairs = zip(tree_leaves(result), wide, strict=True)
            self.found = any(_is_half(mine) and not _same(mine, exact) for mine, exact in pairs)
        except REFUSALS:
            self.found = True
        return result


def _is_half(value: Any) -> bool:
    """Whether it is a tensor of 16-bit floats, or such a dtype."""
    return value in HALVES if isinstance(value, torch.dtype) else getattr(value, "dtype", None) in HALVES


def _own_double(value: Any) -> Any:
    """In double, and a copy: an operator may write to it."""
    wide = doubled(value)
    return wide.clone() if wide is value and isinstance(wide, torch.Tensor) else wide


def _same(mine: torch.Tensor, exact: Any) -> bool:
    if not isinstance(exact, torch.Tensor) or exact.shape != mine.shape:
        return False
    return bool(((mine == exact) | (mine.isnan() & exact.isnan())).all())
