"""How fast an operator can be on a device at most, and whether something is left to win. Pure; standard library only.

A *floor* is the least time of one call: the larger of compulsory bytes over the bandwidth and of the products'
operations over the rate of the precision in which they may be made (the roofline of Williams, Waterman and Patterson,
2009). It is kept low on purpose: what is not known counts nothing, so that no floor lies above what is possible. What
it takes for granted is the reference's algorithm; ``Floor.doubt`` says where another one might need less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tools.problem import CaseFacts, Description
    from tools.verdict import Timing

Bound = Literal["memory", "compute"]

AT_FLOOR = 0.95
"""Of its floor: who reaches that has 5 % left to win at most. The judge tells gains from 2 % on, ceilings are the
fastest of ten runs and a baseline's time is a median of many: closer than this nobody comes and stays.
"""
TOO_FAST = 1.05
"""Of its floor: who is beyond that shows that the ceiling is too low, and then nothing follows from it."""
BEYOND_CACHES = {"cuda": 2, "cpu": 16}
"""Times the last-level cache that a call has to move before its floor by memory is believed. A window of the judge's
moves some hundred times a GPU's cache (3 ms and more), but only a few times a processor's (8 ms), and what is written
last may be still in the cache when its clock stops.
"""
HOST_TIMES = 3
"""Runs in which the host's ceilings have to be measured before a floor is believed: under load they came out at a
quarter (55 and 13.5 GB/s; 2 cores shared with others, 2026-11-29).
"""
UNKNOWN = 4.0
"""Times the fastest rate that was measured: of precisions that were not measured; four bits against sixteen."""
SPLIT = {
    "float32": (("tf32", 3), ("float16", 3), ("bfloat16", 6)),
    "float64": (("bfloat16", 14),),
}
"""What a product can be made of in a narrower precision at nearly the same error, and how many such products it takes:
float32 in two parts (Ootomo and Yokota, 2022) or three, float64 in seven slices of int8, twice as fast as bfloat16
(Ootomo, Ozaki and Yokota, 2024).
"""
_HALVES = ("float16", "bfloat16")
_BYTES = ("int8", "uint8", "float8")
_REAL = {"complex64": "float32", "complex128": "float64"}


def names_in(text: str) -> frozenset[str]:
    """Words of a text."""
    return frozenset(text.split())


PRODUCTS = names_in("mm addmm bmm baddbmm convolution")
_POINTWISE = names_in("""
    abs add addcdiv addcmul arange atan ceil clamp clamp_max clamp_min clone copy cos cosh div elu eq erf exp exp2
    expm1 floor full full_like ge gelu gt hardsigmoid hardswish hardtanh le leaky_relu lerp log log10 log1p log2 lt
    maximum minimum mish mul ne neg ones pow reciprocal relu round rsqrt rsub scalar_tensor sigmoid sign silu sin sinh
    softplus sqrt square sub tan tanh _to_copy
""")
_FORMS = names_in("""
    alias cat contiguous detach getitem permute reshape squeeze stack t transpose unsqueeze view _unsafe_view
""")
_NORMS = names_in("""
    _softmax _log_softmax native_layer_norm native_group_norm native_batch_norm
    _native_batch_norm_legit_no_training _fused_rms_norm
""")
_REDUCTIONS = names_in("""
    amax amin argmax argmin cumsum expand linalg_vector_norm logsumexp max mean min prod std sum var var_mean
""")
WHOLE = _POINTWISE | _FORMS | _NORMS | _REDUCTIONS | PRODUCTS
"""Operators that need all they are given: with these alone, whatever is read has to be."""
KEEPING = _POINTWISE | _FORMS | _NORMS | PRODUCTS
"""Operators from which no product beside them becomes needless, as the sum of one does."""


@dataclass(frozen=True)
class Ceilings:
    """What one device reaches at most, as torch reaches it there."""

    device: str
    bandwidth: float
    """Bytes a second: of a large copy (read and written), a large read or a large write, whichever is fastest."""
    copy: float
    """Bytes a second of the copy."""
    read: float
    write: float
    ops: Mapping[str, float] = field(default_factory=dict)
    """Precision to operations a second of a large square matrix product; ``tf32`` is one of them."""
    cache_bytes: int = 0
    """Of the last-level cache, all of it together; 0 where it is not known."""
    kind: str = "cpu"
    """``cuda``, ``cpu``, or ``host`` for plain memory that passes for a device's."""
    driver: str = ""
    torch: str = ""
    date: str = ""
    """When it was measured, UTC, ISO 8601."""
    times: int = 1
    """How often; of each rate this is the best."""


@dataclass(frozen=True)
class Floor:
    """The least time of one call of a case."""

    seconds: float
    bound: Bound
    """What takes that long: moving bytes or making products."""
    doubt: str | None = None
    """Why being at it would not prove that nothing is left to win; None where it would."""

    def reached_in(self, seconds: float) -> bool | None:
        """Whether a call of so many seconds is at it; None where nobody can say."""
        fraction = self.seconds / seconds
        if fraction < AT_FLOOR:
            return False
        return True if self.doubt is None and fraction <= TOO_FAST else None


def floors(description: Description, ceilings: Ceilings, precision: str) -> dict[str, Floor]:
    """By case, where one can be told. ``precision``: the licence."""
    found = {case.name: floor_of(case, description, ceilings, precision) for case in description.cases}
    return {name: floor for name, floor in found.items() if floor is not None}


def floor_of(case: CaseFacts, description: Description, ceilings: Ceilings, precision: str) -> Floor | None:
    """Of one case; None where nothing is known of what it has to do.

    Parameters as large as the last-level cache are not counted: from one call to the next they may stay there.
    """
    traffic = case.bytes_moved - min(case.state_bytes, ceilings.cache_bytes)
    memory_s = moving_s(traffic, min(case.bytes_written, traffic), ceilings)
    products = {"unknown": case.flops} if case.products is None else case.products
    narrow = narrowest(case)
    compute_s = sum(count / rate(ceilings, dtype, precision, narrow) for dtype, count in products.items() if count)
    if max(memory_s, compute_s) <= 0:
        return None
    bound: Bound = "memory" if memory_s >= compute_s else "compute"
    return Floor(max(memory_s, compute_s), bound, _doubt(bound, traffic, case, description, ceilings))


def moving_s(traffic: int, written: int, ceilings: Ceilings) -> float:
    """Seconds to move so many bytes, ``written`` of them to memory.

    A GPU's memory is faster in one direction than in the other (an H200 reads 4.35 TB/s, writes 4.67 and copies 4.27):
    the lesser of one after the other and of copying as far as there is as much of both. On the host the fastest rate
    counts for all: a write may read what it overwrites, or not.
    """
    if ceilings.kind != "cuda":
        return traffic / ceilings.bandwidth
    read = traffic - written
    apart = read / ceilings.read + written / ceilings.write
    both = min(read, written)
    mixed = 2 * both / ceilings.copy + (read - both) / ceilings.read + (written - both) / ceilings.write
    return min(apart, mixed)


def rate(ceilings: Ceilings, dtype: str, precision: str, narrow: int = 4) -> float:
    """Operations a second of the fastest way to make products of this dtype that the licence lets pass.

    ``narrow``: bytes of the narrowest numbers outside: products of what was two bytes wide, or will be, may be made in
    two bytes.
    """
    ops, dtype = ceilings.ops, _REAL.get(dtype, dtype)
    fastest = max(ops.values(), default=math.inf)
    if dtype not in ("float64", "float32", *_HALVES) or narrow < 2:
        return UNKNOWN * fastest
    if narrow == 2 or dtype in _HALVES or (precision == "tolerance" and dtype == "float32"):
        return fastest
    ways = [ops.get("float64", 0.0), *(ops.get(name, 0.0) / times for name, times in SPLIT[dtype])]
    if dtype == "float32" or narrow == 4:
        ways += [ops.get("float32", 0.0), *(ops.get(name, 0.0) / times for name, times in SPLIT["float32"])]
    return max(ways) or fastest


def narrowest(case: CaseFacts) -> int:
    """Bytes of the narrowest numbers that a call is given, keeps or gives: 1, 2, 4 or 8. Truth values are none."""
    sizes = {"float32": 4, "complex64": 4, "float16": 2, "bfloat16": 2}
    dtypes = {item.dtype for item in (*case.inputs, *case.outputs) if not isinstance(item, str)} | set(
        case.state_dtypes
    )
    return min((1 if name.startswith(_BYTES) else sizes.get(name, 8) for name in dtypes), default=8)


def _doubt(bound: Bound, traffic: int, case: CaseFacts, description: Description, ceilings: Ceilings) -> str | None:
    names = [name.removeprefix("aten.").partition(".")[0] for name in description.operators]
    if not names or case.products is None:
        return "its operators are not known"
    if strangers := sorted(set(names) - (WHOLE if bound == "memory" else KEEPING)):
        return f"what {strangers[0]} makes of it may need less than all of it"
    if ceilings.kind != "cuda" and ceilings.times < HOST_TIMES:
        return "what this machine reaches was measured too seldom"
    if bound == "compute" and ceilings.kind != "cuda":
        # 540 GFLOP/s on two threads with AVX-512, where torch's product reached 180 (2026-11-29).
        return "a kernel may reach more of this processor than torch's product does"
    if bound == "compute":
        several = sum(name in PRODUCTS for name in names) != 1
        return "several products in a row may be made of fewer" if several else None
    if not ceilings.cache_bytes:
        return "the size of the last-level cache is not known"
    needed = BEYOND_CACHES.get(ceilings.kind, BEYOND_CACHES["cpu"]) * ceilings.cache_bytes
    return None if traffic >= needed else "what it moves is little beside the last-level cache"


@dataclass(frozen=True)
class Reached:
    """The best baseline of a case, and what it reaches."""

    case: str
    baseline: str
    fraction: float
    """Of the floor."""
    bound: Bound


def nothing_left(description: Description, measured: Mapping[str, Mapping[str, Timing]]) -> list[Reached]:
    """What the best baseline reaches in every case, if that is its floor everywhere; else nothing.

    ``measured``: baseline to case to time.
    """
    found = []
    for case in description.cases:
        times = {name: timings[case.name].median_s for name, timings in measured.items() if case.name in timings}
        if case.floor is None or not times:
            return []
        best = min(times, key=lambda name: times[name])
        if not case.floor.reached_in(times[best]):
            return []
        found.append(Reached(case.name, best, case.floor.seconds / times[best], case.floor.bound))
    return found


def summary(times: Mapping[str, float], known: Mapping[str, Floor]) -> tuple[float | None, float | None, bool | None]:
    """Of a contender's seconds by case: the fraction of its floor (at most 1) and the time over its floor, geometric
    means over the cases, and whether it is at its floor in all of them; None where that is not known.
    """
    if not times or any(name not in known for name in times):
        return None, None, None
    logs = [math.log(seconds / known[name].seconds) for name, seconds in times.items()]
    fraction = math.exp(-sum(max(0.0, item) for item in logs) / len(logs))
    reached = [known[name].reached_in(seconds) for name, seconds in times.items()]
    at_floor = False if False in reached else None if None in reached else True
    return fraction, math.exp(sum(logs) / len(logs)), at_floor


def roof_of(bounds: Iterable[str | None]) -> str:
    """What limits such cases, in words: they follow *62 % of*."""
    kinds = set(bounds)
    if kinds == {"memory"}:
        return "the memory bandwidth"
    return "the arithmetic peak" if kinds == {"compute"} else "the roofline"
