"""Indices are looked at before a device is: there, one out of range ends the process. Runs inside a sandbox.

On the host torch raises an IndexError for it. On a GPU a kernel's assertion fails, and with it every later call of the
process, so that a reference which only refuses other shapes (a table with fewer rows than its indices name) would take
the oracle with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_BY_DIM = frozenset(
    {
        "gather",
        "index_select",
        "index_add",
        "index_copy",
        "index_fill",
        "index_reduce",
        "scatter",
        "scatter_add",
        "scatter_reduce",
    }
)
"""Take a tensor, a dimension and the indices into it, in this order."""
_BY_PLACE = frozenset({"index", "_unsafe_index", "index_put", "_index_put_impl"})
"""Take a tensor and indices by dimension, None for those that stay whole."""
_OF_ROWS = frozenset({"embedding", "_embedding_bag", "_embedding_bag_forward_only"})
_OF_CLASSES = frozenset({"nll_loss_forward", "nll_loss2d_forward"})


def guarded(device: torch.device, *, is_altered: bool) -> AbstractContextManager[Any]:
    """What a reference runs in whose inputs may not fit together any more: they are not as they were drawn."""
    return InBounds() if is_altered and device.type == "cuda" else nullcontext()


class InBounds(TorchDispatchMode):  # type: ignore[misc]  # torch is unknown to mypy
    """Raises IndexError for what an operator of torch would look up outside of its tensor."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry out one operator."""
        given = {**dict(zip((item.name for item in func._schema.arguments), args, strict=False)), **(kwargs or {})}
        name = func._schema.name.removeprefix("aten::").rstrip("_")
        for index, length, least in _lookups(name, given):
            _require(name, index, length, least)
        return func(*args, **(kwargs or {}))


def _lookups(name: str, given: dict[str, Any]) -> Iterator[tuple[torch.Tensor, int, int]]:
    """Of an operator, every tensor of indices, the length of what they point into, and the least of them."""
    if name in _BY_DIM:
        table, dim = given["self"], given["dim"]
        yield given["index"], table.shape[dim] if table.dim() else 1, -table.shape[dim] if name == "index_fill" else 0
    elif name in _BY_PLACE:
        table = given["self"]
        place = 0
        for index in given["indices"]:
            is_mask = index is not None and index.dtype in (torch.bool, torch.uint8)
            if index is not None and not is_mask:
                yield index, table.shape[place], -table.shape[place]
            place += index.dim() if is_mask else 1
    elif name in _OF_ROWS:
        yield given["indices"], given["weight"].shape[0], 0
    elif name in _OF_CLASSES:
        target, classes = given["target"], given["self"].shape[1 if given["self"].dim() > 1 else 0]
        yield target[target != given["ignore_index"]], classes, 0
    elif name == "take":
        yield given["index"], given["self"].numel(), -given["self"].numel()


def _require(name: str, index: torch.Tensor, length: int, least: int) -> None:
    if not index.numel() or index.is_floating_point():
        return
    low, high = (int(value) for value in index.aminmax())
    if low < least or high >= length:
        raise IndexError(f"{name} looks up {low if low < least else high} among {length}")
