"""Pure operations on inputs and outputs: copies, precisions, distances. Runs inside a sandbox."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from tools.harness.arrays import DEVICE_CHUNK
from tools.harness.tensors import decode, encode, pack, view
from tools.harness.wire import PARTS, Leaf

Change = Callable[[torch.Tensor], torch.Tensor]
"""What is done to a tensor, elsewhere."""


@contextmanager
def no_context() -> Iterator[None]:
    """Change nothing."""
    yield


@contextmanager
def default_double() -> Iterator[None]:
    """New tensors are float64, for modules that make some in forward()."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def lot_of(seed: int) -> torch.Generator:
    """A generator for numbers on the device on which tensors come into being."""
    return torch.Generator(torch.get_default_device()).manual_seed(seed)


def map_tensors(inputs: list[Any], change: Callable[[torch.Tensor], torch.Tensor]) -> list[Any]:
    """Inputs with every tensor replaced."""
    tensors: list[torch.Tensor] = []
    spec = encode(inputs, tensors)
    return list(decode(spec, [change(tensor) for tensor in tensors]))


def duplicate(inputs: list[Any]) -> list[Any]:
    """A copy of its own storage, strides kept."""

    def copied(tensor: torch.Tensor) -> torch.Tensor:
        packed, flat = pack(tensor)
        return view(packed, flat.clone())

    return map_tensors(inputs, copied)


def to_double(inputs: list[Any], change: Change | None = None) -> list[Any]:
    """Floating tensors in float64, perturbed by ``change`` first; the others as they are."""

    def doubled(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_complex():
            return tensor.to(torch.complex128)
        if not tensor.is_floating_point():
            return tensor
        return (change(tensor) if change else tensor).double()

    return map_tensors(inputs, doubled)


def own_double(inputs: list[Any], change: Change | None = None) -> list[Any]:
    """``to_double``, none of whose tensors is one of ``inputs``: a module may write to them. What is converted is a
    copy already; on a device gigabytes need not be copied twice.
    """
    before: list[torch.Tensor] = []
    after: list[torch.Tensor] = []
    encode(inputs, before)
    spec = encode(to_double(inputs, change), after)
    copies = duplicate([new for old, new in zip(before, after, strict=True) if new is old])
    return list(decode(spec, [copies.pop(0) if new is old else new for old, new in zip(before, after, strict=True)]))


def nudge(
    tensor: torch.Tensor,
    by: float | None = None,
    lot: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """A floating tensor in float64, each element moved by half a unit in its last place (or ``by``), up or down.

    One of 16 bits by up to that much, as rounding does: between its precision and the next lower one there is no room
    for more. ``dtype``: whose last place counts, if not its own.
    """
    if not tensor.is_floating_point():
        return tensor
    dtype = dtype or tensor.dtype
    if by is None and dtype.itemsize == 2:
        half = torch.finfo(dtype).eps / 2
        return tensor.double() * (1 + half * (2 * torch.rand(tensor.shape, dtype=torch.float64, generator=lot) - 1))
    if by is None:
        # Half of one would be lost in float64 itself: 1 + eps / 2 is 1.
        by = torch.finfo(dtype).eps / (1 if dtype == torch.float64 else 2)
    signs = torch.randint(0, 2, tensor.shape, dtype=torch.float64, generator=lot).mul_(2 * by).sub_(by)
    return tensor.double() * (1 + signs)


def is_changeable(tensor: Any) -> bool:
    """Whether ``CHANGES`` mean anything to it."""
    return isinstance(tensor, torch.Tensor) and tensor.is_floating_point() and tensor.numel() > 0


def coarse(tensor: torch.Tensor) -> torch.Tensor:
    """Rounded to the next lower precision."""
    lower = {torch.float64: torch.float32, torch.float32: torch.bfloat16, torch.float16: torch.bfloat16}
    if tensor.dtype in lower:
        return tensor.to(lower[tensor.dtype]).to(tensor.dtype)
    if tensor.dtype == torch.bfloat16:  # there is none below it; of its 7 bits, 3 stay
        return (tensor.contiguous().view(torch.int16) & -16).view(torch.bfloat16)
    return (tensor.float() / 16).to(tensor.dtype) * 16


def _part(number: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Clears one of ``PARTS`` equal stretches."""

    def clear(tensor: torch.Tensor) -> torch.Tensor:
        changed = tensor.clone().contiguous()
        flat = changed.view(-1)
        flat[flat.numel() * number // PARTS : flat.numel() * (number + 1) // PARTS] = 0
        return changed

    return clear


CHANGES: dict[str, Change] = {
    "zeroed": torch.zeros_like,
    "coarse": coarse,
    **{f"part {number}": _part(number) for number in range(PARTS)},
}
"""What mutants of the reference do to one of its inputs or parameters; parts, to inputs only."""


def distance(a: Any, b: Any) -> list[float]:
    """Worst and norm of ``b - a``, largest value and norm of ``a``; zeros where that means nothing."""
    nothing = [0.0, 0.0, 0.0, 0.0]
    if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor) or a.shape != b.shape or a.dtype != b.dtype:
        return nothing
    if a.is_complex():
        a, b = torch.view_as_real(a), torch.view_as_real(b)  # as the licence looks at them
    if not a.is_floating_point() or a.numel() == 0:
        return nothing
    parts = zip(a.reshape(-1).split(DEVICE_CHUNK), b.reshape(-1).split(DEVICE_CHUNK), strict=True)
    gaps, norms, scales, sizes = zip(*(_distance_of(*pair) for pair in parts), strict=True)
    return [max(gaps), math.hypot(*norms), max(scales), math.hypot(*sizes)]


def _distance_of(a: torch.Tensor, b: torch.Tensor) -> tuple[float, float, float, float]:
    """Of what can be held a few times; what is not finite on either side counts as 0."""
    fine = torch.isfinite(a) & torch.isfinite(b)
    base = torch.where(fine, a, 0).double()
    gap = torch.where(fine, b, 0).double() - base
    return float(gap.abs().max()), float(gap.norm()), float(base.abs().max()), float(base.norm())


def agree(a: Any, b: Any) -> bool:
    """Equal, or apart by no more than the order of a parallel sum explains."""
    if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor):
        return bool(a == b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if torch.equal(a, b) or not (a.is_floating_point() or a.is_complex()):
        return bool(torch.equal(a, b))
    scale = float(a.nan_to_num(0, 0, 0).abs().max())
    slack = 16 * torch.finfo(a.dtype).eps * max(scale, 1e-30)
    return bool(torch.allclose(a, b, rtol=0, atol=slack, equal_nan=True))


def same_form(mine: Any, precise: Any) -> bool:
    """Same shape, and both or neither are floating."""
    if not isinstance(mine, torch.Tensor) or not isinstance(precise, torch.Tensor):
        return isinstance(mine, torch.Tensor) == isinstance(precise, torch.Tensor)
    return bool(mine.shape == precise.shape and mine.is_floating_point() == precise.is_floating_point())


def as_oracle(mine: Any, precise: Any) -> Any:
    """The oracle's leaf as it travels: floating in float64, anything else in eager's own dtype."""
    if not isinstance(mine, torch.Tensor):
        return precise
    if mine.is_complex():
        return precise.to(torch.complex128)
    return precise.double() if mine.is_floating_point() else precise.to(mine.dtype)


def with_rows(inputs: list[Any], rows: int, draw: Callable[[], list[Any]], *, first_alone: bool = False) -> list[Any]:
    """So many rows of dimension 0 of every tensor that has the leading size of the first one, or of the first alone.

    ``draw`` gives others, whose rows follow where there are not enough.
    """
    tensors: list[torch.Tensor] = []
    others: list[torch.Tensor] = []
    spec = encode(inputs, tensors)
    leading = [number for number, tensor in enumerate(tensors) if tensor.dim()]
    chosen = [number for number in leading if tensors[number].shape[0] == tensors[leading[0]].shape[0]]
    if chosen and rows > tensors[chosen[0]].shape[0]:
        encode(draw(), others)
    for number in chosen[:1] if first_alone else chosen:
        whole = tensors[number]
        tensors[number] = (torch.cat([whole, others[number]]) if others else whole)[:rows]
    return list(decode(spec, tensors))


def leaf_json(leaf: Leaf) -> list[Any]:
    """Plain JSON of a leaf."""
    return [leaf.dtype, list(leaf.shape), leaf.is_number]
