"""Bytes of tensors as numpy arrays, a stretch at a time. Runs in the controller; numpy only."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tools.harness.wire import ITEM_BYTES, Leaf

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]
    Raw = bytes | bytearray | memoryview

CHUNK = 1 << 20

EPS = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "complex64": 2.0**-23,
    "complex128": 2.0**-52,
}
"""Distance from 1 to the next number, by dtype."""


def as_array(raw: Raw, dtype: str, start: int, stop: int) -> Array:
    """Elements ``start`` to ``stop`` as float64 (complex as pairs of them), or as the integers they are."""
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


def chunks(leaf: Leaf, *raws: tuple[Raw, str]) -> Iterator[list[Array]]:
    """The same stretch of several buffers at a time, so that memory stays bounded."""
    count = math.prod(leaf.shape)
    for start in range(0, count, CHUNK):
        yield [as_array(raw, dtype, start, min(start + CHUNK, count)) for raw, dtype in raws]
