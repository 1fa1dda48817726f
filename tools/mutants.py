"""Wrong answers that a judge has to tell from right ones: mutants of a reference's output. Pure; numpy on raw bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from tools.harness.arrays import EPS
from tools.harness.wire import ITEM_BYTES, Leaf

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]
    Raw = bytes | bytearray | memoryview

MAX_ELEMENTS = 1 << 18
"""Of an output, so many are mutated and compared: the first rows."""
COARSER = {"float64": 23, "float32": 10, "float16": 7, "bfloat16": 3, "complex64": 10, "complex128": 23}
"""Bits of mantissa that the next lower precision keeps: float32 as TF32 has it, float16 as bfloat16."""
SAME = 2.0**-40
"""Of the oracle's scale: what it rounds away itself."""
SMALL, SMALL_GRAINS, NOISE, NOISE_GRAINS = 0.01, 10.0, 1e-3, 4.0
"""Of the whole, and of its scale; in a coarse dtype so many units of its last place."""
SYMMETRIES = frozenset(
    {"transposed", "without signs", "rows reversed", "columns reversed", "rows moved by one", "columns moved by one"}
)
"""Changes that a right answer may bear. What is made up, such as its mean everywhere, tells a constant answer."""


@dataclass(frozen=True)
class Mutant:
    """One wrong answer."""

    name: str
    raw: bytes
    is_of_precision: bool = False
    """Wrong by its precision alone; some operators average that away."""


def shortened(leaf: Leaf) -> Leaf:
    """The beginning of an output, as far as ``MAX_ELEMENTS`` allows: the first rows, or of the first row the first."""
    shape = list(leaf.shape)
    for axis, length in enumerate(leaf.shape):
        row = prod(leaf.shape[axis + 1 :])
        if length * row > MAX_ELEMENTS:
            shape[axis] = max(1, MAX_ELEMENTS // row)
    return Leaf(leaf.dtype, tuple(shape))


def mutants(leaf: Leaf, right: Raw, other: Raw, first_input: Raw | None, grain: float = 0.0) -> Iterator[Mutant]:
    """Every mutant that differs from ``right``.

    ``other``: the answer to other inputs; ``first_input``: the bytes of an input of the same dtype, if there is one;
    ``grain``: a relative difference that is licensed as such.
    """
    count = len(right) // ITEM_BYTES[leaf.dtype]
    grain = max(grain, EPS.get(leaf.dtype, 0.0))
    for name, change in {**_CHANGES, **_small(grain)}.items():
        yield from _made(name, leaf, right, change)
    yield from _different("the answer to other inputs", leaf, right, bytes(other))
    half = len(right) // 2
    yield from _different("half of it from an earlier answer", leaf, right, bytes(right[:half]) + bytes(other[half:]))
    if first_input is not None and len(first_input) >= len(right):
        yield from _different("the input instead of the answer", leaf, right, bytes(first_input[: len(right)]))
    if leaf.dtype in EPS and count:
        coarse = coarsened(right, leaf.dtype, COARSER[leaf.dtype])
        yield from _different("the next lower precision", leaf, right, coarse, is_of_precision=True)


def is_idle(name: str, leaf: Leaf, oracle: Raw, oracle_dtype: str) -> bool:
    """Whether a mutant changes nothing of what is true: an answer that is symmetric, transposed.

    Of eager's answer it changes the rounding, and would be taken for a wrong one that passes. ``oracle``: as far as
    ``leaf`` goes, and finer than its dtype, or else nothing can be told.
    """
    import numpy as np

    if name not in SYMMETRIES or ITEM_BYTES[oracle_dtype] <= ITEM_BYTES[leaf.dtype] or leaf.dtype not in EPS:
        return False
    right = _typed(oracle, Leaf(oracle_dtype, leaf.shape))
    with np.errstate(all="ignore"):
        changed = _CHANGES[name](right.copy())
        return changed is not None and bool(
            np.allclose(changed, right, rtol=0, atol=SAME * float(_scale(right)), equal_nan=True)
        )


def coarsened(raw: Raw, dtype: str, bits: int) -> bytes:
    """Floating numbers whose mantissa is cut to ``bits``, towards zero."""
    import numpy as np

    kinds: dict[str, tuple[Any, int]] = {
        "float64": (np.uint64, 52),
        "float32": (np.uint32, 23),
        "float16": (np.uint16, 10),
        "bfloat16": (np.uint16, 7),
        "complex64": (np.uint32, 23),
        "complex128": (np.uint64, 52),
    }
    kind, have = kinds[dtype]
    words = np.frombuffer(raw, dtype=kind).copy()
    words &= ~kind((1 << (have - bits)) - 1)
    return words.tobytes()


def _made(name: str, leaf: Leaf, right: Raw, change: Callable[[Array], Array | None]) -> Iterator[Mutant]:
    import numpy as np

    array = _typed(right, leaf)
    with np.errstate(all="ignore"):
        changed = change(array.copy())
    if changed is not None:
        yield from _different(name, leaf, right, _untyped(changed, leaf))


def _different(name: str, leaf: Leaf, right: Raw, raw: bytes, *, is_of_precision: bool = False) -> Iterator[Mutant]:
    if len(raw) == len(right) and raw != right and not _same_values(right, raw, leaf):
        yield Mutant(name, raw, is_of_precision)


def _same_values(one: Raw, other: Raw, leaf: Leaf) -> bool:
    """Whether only the bits of zeros' and NaNs' signs differ."""
    import numpy as np

    return leaf.dtype in EPS and np.array_equal(_typed(one, leaf), _typed(other, leaf), equal_nan=True)


def _typed(raw: Raw, leaf: Leaf) -> Array:
    """As an array that numpy can reckon with: bfloat16 as float32."""
    import numpy as np

    if leaf.dtype == "bfloat16":
        wide = np.frombuffer(raw, dtype=np.uint16).astype(np.uint32) << np.uint32(16)
        return wide.view(np.float32).reshape(leaf.shape)
    return np.frombuffer(raw, dtype=np.dtype(leaf.dtype)).reshape(leaf.shape)


def _untyped(array: Array, leaf: Leaf) -> bytes:
    import numpy as np

    if leaf.dtype == "bfloat16":
        words = np.ascontiguousarray(array, dtype=np.float32).view(np.uint32)
        return (words >> np.uint32(16)).astype(np.uint16).tobytes()
    with np.errstate(all="ignore"):
        return np.ascontiguousarray(array).astype(np.dtype(leaf.dtype)).tobytes()


def _scale(array: Array) -> Any:
    """Largest finite absolute value."""
    import numpy as np

    wide = np.abs(array.astype(np.complex128 if array.dtype.kind == "c" else np.float64))
    return np.max(wide, where=np.isfinite(wide), initial=0.0)


def _floating(array: Array) -> bool:
    return array.dtype.kind in "fc"


def _filled(value: Callable[[Array], Any]) -> Callable[[Array], Array | None]:
    def fill(array: Array) -> Array | None:
        array[...] = value(array)
        return array

    return fill


def _mean(array: Array) -> Any:
    import numpy as np

    fine = array[np.isfinite(array)] if _floating(array) else array
    return fine.mean() if fine.size else 0


def _only_floating(change: Callable[[Array], Array]) -> Callable[[Array], Array | None]:
    return lambda array: change(array) if _floating(array) else None


def _last(axis: int) -> Callable[[Array], Array | None]:
    def drop(array: Array) -> Array | None:
        if array.ndim <= abs(axis) - (axis < 0) or array.shape[axis] < 2:
            return None
        where: list[Any] = [slice(None)] * array.ndim
        where[axis] = -1
        array[tuple(where)] = 0
        return array

    return drop


def _rolled(axis: int) -> Callable[[Array], Array | None]:
    import numpy as np

    return lambda array: np.roll(array, 1, axis=axis) if array.ndim > abs(axis) - (axis < 0) else None


def _stretch(start: float, step: int = 1) -> Callable[[Array], Array | None]:
    """Zeros from a share of the elements on, or at every so many of them."""

    def clear(array: Array) -> Array | None:
        flat = array.reshape(-1)
        flat[int(flat.size * start) :: step] = 0
        return array

    return clear


def _transposed(array: Array) -> Array | None:
    import numpy as np

    return np.swapaxes(array, -1, -2) if array.ndim >= 2 and array.shape[-1] == array.shape[-2] else None


def _wild(value: Callable[[Array], Any]) -> Callable[[Array], Array | None]:
    """One element, in the middle."""

    def put(array: Array) -> Array | None:
        flat = array.reshape(-1)
        if flat.size:
            flat[flat.size // 2] = value(array)
        return array

    return put


def _next_to_middle(array: Array) -> Any:
    middle = int(array.reshape(-1)[array.size // 2])
    return middle + 1 if middle <= 0 else middle - 1


def _small(grain: float) -> dict[str, Callable[[Array], Array | None]]:
    """Changes that are small, and yet beyond what a coarse dtype, or a coarse tolerance, makes of right answers."""
    import numpy as np

    share, noise = max(SMALL, SMALL_GRAINS * grain), max(NOISE, NOISE_GRAINS * grain)

    def noisy(array: Array) -> Array:
        found: Array = array + np.random.default_rng(0).standard_normal(array.shape) * noise * _scale(array)
        return found

    return {
        f"{share:.0%} larger": _only_floating(lambda array: array * (1 + share)),
        f"shifted by {share:.0%} of its scale": _only_floating(lambda array: array + share * _scale(array)),
        f"noise of {noise:.1%}": _only_floating(noisy),
    }


def _clipped(array: Array) -> Array:
    """Saturated at half of its range."""
    import numpy as np

    if array.dtype.kind == "c":
        return array / 2
    return np.clip(array, -_scale(array) / 2, _scale(array) / 2)


_CHANGES: dict[str, Callable[[Array], Array | None]] = {
    "zeros": _filled(lambda array: 0),
    "ones": _filled(lambda array: 1),
    "its mean everywhere": _filled(_mean),
    "its first element everywhere": _filled(lambda array: array.reshape(-1)[0] if array.size else 0),
    "NaN everywhere": _only_floating(lambda array: array * float("nan")),
    "the other sign": lambda array: -array if _floating(array) else None,
    "without signs": lambda array: abs(array).astype(array.dtype) if _floating(array) else None,
    "twice as large": lambda array: array * 2 if array.dtype.kind in "fci" else None,
    "rows reversed": lambda array: array[::-1] if array.ndim else None,
    "one element off by one": lambda array: _wild(_next_to_middle)(array) if array.dtype.kind in "iu" else None,
    "off by one": lambda array: array + 1 if array.dtype.kind in "iu" else None,
    "the other truth value": lambda array: ~array if array.dtype.kind == "b" else None,
    "saturated": _only_floating(_clipped),
    "the last row missing": _last(0),
    "the last column missing": _last(-1),
    "rows moved by one": _rolled(0),
    "columns moved by one": _rolled(-1),
    "columns reversed": lambda array: array[..., ::-1] if array.ndim else None,
    "transposed": _transposed,
    "the last thirty-second part missing": _stretch(31 / 32),
    "the second half missing": _stretch(0.5),
    "every 1000th element missing": lambda array: _stretch(0.0, 1000)(array) if array.size >= 1000 else None,
    "one element far off": _wild(lambda array: 3 * _scale(array) + 1 if _floating(array) else _scale(array) / 2 + 1),
    "one element infinite": lambda array: _wild(lambda _: float("inf"))(array) if _floating(array) else None,
}
