"""Finding what honest kernels get wrong with memory: guard zones around new tensors, and poison in old memory.

For checking only, never while timing. A hostile candidate can undo all of this, and gains nothing by it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

ZONE_BYTES = 256
_PERTURB = -6
"""glibc's M_PERTURB: a byte that freed memory is filled with, and its complement new memory."""


def poison(byte: int) -> None:
    """Fill memory that malloc hands out or takes back; 0 ends it. Does nothing without glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_PERTURB, byte)


class Guards:
    """Stands in for ``torch.empty`` and its like, with zones around every tensor that show whether they were hit."""

    def __init__(self, byte: int, device: torch.device) -> None:
        self._byte = byte
        self._device = device
        self._made: list[tuple[torch.Tensor, int]] = []
        """With the size in bytes of what lies between the zones."""

    @contextmanager
    def around(self) -> Iterator[None]:
        """Guard what is made in this context by Python code."""
        real_empty, real_like, real_new = torch.empty, torch.empty_like, torch.Tensor.new_empty

        def empty(*size: Any, **options: Any) -> torch.Tensor:
            if options.get("out") is not None:
                return real_empty(*size, **options)
            return self._guarded(lambda: real_empty(*size, **options), real_empty)

        def empty_like(other: torch.Tensor, **options: Any) -> torch.Tensor:
            return self._guarded(lambda: real_like(other, **options), real_empty)

        def new_empty(tensor: torch.Tensor, *size: Any, **options: Any) -> torch.Tensor:
            return self._guarded(lambda: real_new(tensor, *size, **options), real_empty)

        torch.empty, torch.empty_like, torch.Tensor.new_empty = empty, empty_like, new_empty
        try:
            yield
        finally:
            torch.empty, torch.empty_like, torch.Tensor.new_empty = real_empty, real_like, real_new

    def _guarded(self, ask: Callable[[], torch.Tensor], make: Callable[..., torch.Tensor]) -> torch.Tensor:
        plain = ask()
        if (
            type(plain) is not torch.Tensor
            or plain.device.type != self._device.type
            or plain.layout is not torch.strided
        ):
            return plain
        if plain.numel() == 0 or plain.is_quantized or not is_dense(plain):
            return plain
        item, size = plain.element_size(), plain.numel() * plain.element_size()
        dtype, shape, stride, device = plain.dtype, plain.shape, plain.stride(), plain.device
        del plain  # there may not be room for both
        whole = make(ZONE_BYTES + size + ZONE_BYTES, dtype=torch.uint8, device=device)
        whole.fill_(self._byte)
        self._made.append((whole, size))
        # The element size divides the zone, so the view is as well aligned as the plain tensor was.
        return whole[ZONE_BYTES : ZONE_BYTES + size].view(dtype).as_strided(shape, stride, ZONE_BYTES // item)

    def were_hit(self) -> bool:
        """Whether anything was written right before or after a guarded tensor."""
        return any(
            bool((whole[:ZONE_BYTES] != self._byte).any() or (whole[ZONE_BYTES + size :] != self._byte).any())
            for whole, size in self._made
        )


def is_dense(tensor: torch.Tensor) -> bool:
    """Whether its elements fill one stretch of memory, in whatever order."""
    steps = sorted((step, size) for size, step in zip(tensor.shape, tensor.stride(), strict=True) if size > 1)
    expected = 1
    for step, size in steps:
        if step != expected:
            return False
        expected *= size
    return True
