"""Numbers of tensors, a stretch at a time: raw bytes as numpy arrays in the controller, tensors beside the oracle.

What compares numbers is written once, in the words that numpy and torch share, and asks ``module_of`` for the rest.
Pure; imports neither before it is needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, cast

from tools.harness.wire import ITEM_BYTES, Leaf

if TYPE_CHECKING:
    Array = Any
    """A numpy array or a tensor of torch, of numbers of one type."""
    Raw = Any
    """Bytes, or a flat tensor of bytes or of what they stand for, on any device."""

CHUNK = 1 << 20
DEVICE_CHUNK = 1 << 24
"""Elements of a stretch on a device: 128 MiB in float64, of which comparing holds some eight at one time."""

EPS = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "complex64": 2.0**-23,
    "complex128": 2.0**-52,
}
"""Distance from 1 to the next number, by dtype."""


def is_bytes(raw: Raw) -> bool:
    """Whether it is what the controller holds, not a tensor."""
    return isinstance(raw, bytes | bytearray | memoryview)


def module_of(array: Array) -> Any:
    """Numpy for its arrays, torch for its tensors."""
    if type(array).__module__.partition(".")[0] == "torch":
        import torch

        return torch
    import numpy as np

    return np


def quiet(array: Array) -> AbstractContextManager[Any]:
    """No warnings of what is divided by 0, too large or not a number; torch never gives any."""
    module = module_of(array)
    if not hasattr(module, "errstate"):
        return nullcontext()
    return cast("AbstractContextManager[Any]", module.errstate(divide="ignore", over="ignore", invalid="ignore"))


def as_array(raw: Raw, dtype: str, start: int, stop: int) -> Array:
    """Elements ``start`` to ``stop`` as float64 (complex as pairs of them), or as the integers they are."""
    if not is_bytes(raw):
        return _as_tensor(raw, dtype, start, stop)
    import numpy as np

    size = ITEM_BYTES[dtype]
    view = memoryview(raw)[start * size : stop * size]
    if dtype == "bfloat16":
        wide = np.frombuffer(view, dtype=np.uint16).astype(np.uint32) << np.uint32(16)
        return wide.view(np.float32).astype(np.float64)
    if dtype.startswith("complex"):
        part = np.float32 if dtype == "complex64" else np.float64
        return np.frombuffer(view, dtype=part).astype(np.float64)
    array = np.frombuffer(view, dtype=np.dtype(dtype))
    with np.errstate(invalid="ignore"):  # a candidate may answer with signalling NaNs
        return array.astype(np.float64) if dtype in EPS else array


def _as_tensor(raw: Raw, dtype: str, start: int, stop: int) -> Array:
    import torch

    flat = raw.view(getattr(torch, dtype))[start:stop]
    if dtype.startswith("complex"):
        flat = torch.view_as_real(flat).flatten()
    return flat.to(torch.float64) if dtype in EPS else flat


def as_float32(raw: Raw) -> Array:
    """All of it, which is float32 already, without a copy."""
    if not is_bytes(raw):
        import torch

        return raw.view(torch.float32)
    import numpy as np

    return np.frombuffer(raw, dtype=np.float32)


def sum_in_float64(array: Array) -> float:
    """The sum of float32 numbers. Not a dot product: its threads would go on spinning while something is timed."""
    module = module_of(array)
    return float(array.sum(dtype=module.float64))


def largest(array: Array) -> float:
    """The largest absolute value of float64 numbers, of which there are some; NaN where one of them is."""
    if hasattr(array, "aminmax"):  # a tensor's: reads it once, and writes nothing
        low, high = array.aminmax()
        return float(module_of(array).maximum(-low, high))
    return float(abs(array).max())


def sum_of_squares(array: Array) -> float:
    """Of float64 numbers. Not a dot product, as for ``sum_in_float64``."""
    module = module_of(array)
    if hasattr(array, "aminmax"):
        return float(module.linalg.vector_norm(array)) ** 2
    return float((array * array).sum())


def chunks(leaf: Leaf, *raws: tuple[Raw, str]) -> Iterator[list[Array]]:
    """The same stretch of several buffers at a time, so that memory stays bounded."""
    count = math.prod(leaf.shape)
    length = CHUNK if all(is_bytes(raw) for raw, _ in raws) else DEVICE_CHUNK
    for start in range(0, count, length):
        yield [as_array(raw, dtype, start, min(start + length, count)) for raw, dtype in raws]
