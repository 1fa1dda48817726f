"""A reference computes in float64 although it casts: the truth is the operator itself, not its rounding.

What rounds on the way there is eager's error, from which the licence follows. Integers and 8-bit floats are results
of quantising and not a precision to compute in, so casts to them are carried out. Runs inside a sandbox.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_DOUBLED = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}


class BitsRead(Exception):
    """The module looks at the bits of a floating tensor: in another precision it would be another operator."""


class Doubling(TorchDispatchMode):  # type: ignore[misc]  # torch is unknown to mypy
    """Every floating tensor that comes into being is a float64 one, every complex one a complex128."""

    def __init__(self) -> None:
        super().__init__()
        self._default = torch.get_default_dtype()

    def __enter__(self) -> Any:
        self._default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        return super().__enter__()

    def __exit__(self, *raised: Any) -> None:
        torch.set_default_dtype(self._default)
        super().__exit__(*raised)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry out one operator."""
        kwargs = kwargs or {}
        if _is_random(func):
            return self._draw(func, args, kwargs)
        if func is torch.ops.aten.view.dtype and args[0].dtype in _DOUBLED.values() and args[1] not in _DOUBLED:
            raise BitsRead(f"a floating tensor is read as {args[1]}")
        if makes_anew(func):
            args, kwargs = mapped(args, doubled), mapped(kwargs, doubled)
        elif func is not torch.ops.aten.view.dtype or args[0].dtype in _DOUBLED.values():
            args, kwargs = mapped(args, _dtype_doubled), mapped(kwargs, _dtype_doubled)
        result = func(*args, **kwargs)
        return mapped(result, _tensor_doubled) if makes_anew(func) or func in _MADE_ELSEWHERE else result

    def _draw(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Random numbers as eager draws them: in float64, the same seed would give others."""
        name = func.__name__.partition(".")[0]
        torch.set_default_dtype(self._default)
        try:
            if not name.endswith(("_", "_like")) and name not in _SAMPLERS:
                return mapped(func(*mapped(args, _tensor_doubled), **kwargs), _tensor_doubled)
            drawn = func(*mapped(args, self._lowered), **mapped(kwargs, self._lowered))
            return args[0].copy_(drawn) if name.endswith("_") else _tensor_doubled(drawn)
        finally:
            torch.set_default_dtype(torch.float64)

    def _lowered(self, value: Any) -> Any:
        is_double = isinstance(value, torch.Tensor) and value.dtype == torch.float64
        return value.to(self._default) if is_double else value


_SAMPLERS = ("bernoulli", "normal", "poisson", "multinomial")
"""Their tensors are parameters of distributions; those of other operators that draw, such as attention, are data."""

_MADE_ELSEWHERE = (torch.ops.aten.lift_fresh.default, torch.ops.aten.view.dtype)
"""What torch.tensor() ends with, and bits that become numbers: no new tensors, and not of the dtype asked for."""


@cache
def _is_random(func: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in func.tags


@cache
def makes_anew(func: Any) -> bool:
    """Whether its results share no memory with its arguments, which it does not write to either."""
    return all(argument.alias_info is None for argument in func._schema.arguments)


def _tensor_doubled(value: Any) -> Any:
    """Tensors that came from elsewhere, such as an attribute that is no buffer, in double."""
    if isinstance(value, torch.Tensor) and value.dtype in _DOUBLED:
        return value.to(_DOUBLED[value.dtype])
    return value


def _dtype_doubled(value: Any) -> Any:
    return _DOUBLED.get(value, value) if isinstance(value, torch.dtype) else value


def doubled(value: Any) -> Any:
    """A tensor or a dtype of a floating kind in double, anything else as it is."""
    return _tensor_doubled(_dtype_doubled(value))


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """``value`` with everything in it changed that is no container."""
    if isinstance(value, list | tuple):
        items = [mapped(item, change) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}
    return change(value)
