"""The precision licence: how far from the float64 oracle an output may be. Pure; raw bytes, or tensors on a device.

``native``: at the worst element (relative to the output's scale) and in norm, a candidate's error is at most
``FACTOR`` times the largest of eager's own error, the response of the oracle to rounding its inputs once more
(``conditioning``), and a floor of ``FLOOR_EPS`` units of the output's dtype. The scale is that of this answer, or
what is typical of answers of its kind where this one is smaller: a sum may come close to 0 by luck, and its rounding
does not (``Yardstick``).

Measured, float32, error at the worst element as a multiple of that bound (honest: other order of summation or
other formula; tf32 and bf16: inputs rounded to 10 and 7 bits, nothing else changed):

    ============================  ======  =====  =====
    operator                      honest   tf32   bf16
    ============================  ======  =====  =====
    sum of 16384, normal            0.71    166    886
    sum of 16384, uniform           0.22    2.5     18
    softmax, 4096 wide              0.08    629   3763
    logsumexp, 4096 wide            0.04    2.5     24
    layer norm, 4096 wide           0.10    200   1580
    GELU, SiLU                      0.05    196   1713
    matrix product, K = 512         0.50    163   1367
    the same, summed over columns   0.13     13    103
    cross entropy, 1000 classes     0.02    0.6    2.5
    ============================  ======  =====  =====

Beyond it, and refused: one running sum for each of 16 lanes over a million elements (2.6), and the variance as
``E[x^2] - E[x]^2`` (3.6). The mean of a million positive numbers cannot tell bfloat16 inputs from float32 ones:
their rounding averages out. Of 300 sums of 16384 normal numbers, measured by the size that is typical of them, the
honest order (16 lanes) stays below 0.76 however near to 0 a sum comes, half of the tf32 ones lie beyond 53 and half of
the bf16 ones beyond 435; one tf32 sum in a hundred is right by luck, which is why several seeds are asked.

``tolerance``: ``|x - oracle| <= atol + rtol * |oracle|``, widened where eager itself does not meet it.

Integers and booleans equal the oracle's or eager's, or what rounding may make of them (``wavering``); so may numbers
that jump where their inputs hardly move, such as rounded ones. NaN and infinity
stand where they stand in either; where a NaN is there only because a masked number reached the answer, what stands
there without it is right too (``spared``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from tools.harness.arrays import EPS, as_float32, chunks, largest, module_of, quiet, sum_in_float64, sum_of_squares
from tools.harness.wire import ITEM_BYTES, Leaf
from tools.harness.yardstick import NO_ERROR, NO_YARDSTICK, ErrorFacts, Sample, Yardstick

if TYPE_CHECKING:
    from tools.harness.arrays import Array, Raw


FACTOR = 4.0
FLOOR_EPS = 4.0
HALF_FLOOR_EPS = ErrorFacts(worst=0.5, norm=0.125)
"""For 16-bit outputs, whose next lower precision is only 3 bits away (float16 to bfloat16): four units of the scale
would let it pass.
"""
NATIVE_ORACLE_FLOOR_EPS = 16.0
"""Where the oracle is no more precise than eager (there is none in float64, or the output itself is float64), eager's
own error cannot be seen; an honest one must fit.
"""

JUMP = 8.0
"""Bounds. What moves by more, while its inputs move by what rounding explains, jumps. What is smooth moves by 4 at
most, by reckoning: ``wavering`` reaches 16 times as far as ``conditioning``, and ``FACTOR`` of that is a bound.
"""
MOST_ASTRAY = 1 / 16
"""Of the norm: who is further off than that is not off by a few jumps."""
TOLERANCES = {"float64": 1e-7, "float32": 1e-4, "float16": 1e-2, "bfloat16": 1e-2}
"""Default atol and rtol under ``tolerance``."""


@dataclass(frozen=True)
class Licence:
    """The rule in force."""

    precision: Literal["native", "tolerance"] = "native"
    atol: float | None = None
    rtol: float | None = None

    def tolerance(self, dtype: str) -> tuple[float, float]:
        """``(atol, rtol)`` for a dtype."""
        default = TOLERANCES.get(dtype.replace("complex64", "float32").replace("complex128", "float64"), 1e-4)
        return (
            default if self.atol is None else self.atol,
            default if self.rtol is None else self.rtol,
        )


@dataclass(frozen=True)
class Expected:
    """One leaf of an output as the trusted side computed it."""

    leaf: Leaf
    oracle: Raw
    oracle_dtype: str
    eager: Raw
    has_oracle: bool = True
    """False where eager had to stand in for the float64 oracle."""
    spared: Raw | None = None
    """Alike to the oracle: what is right besides it where a masked NaN reached its answer, NaN everywhere else."""
    wavering: Sequence[Raw] = ()
    """Whole answers that are right besides the oracle's where rounding decides: integers, or numbers that jump."""
    name: str = ""
    """Of a leaf that nobody could tell from its number: the gradient of what it is."""


@dataclass(frozen=True)
class Comparison:
    """What comparing one leaf found."""

    passed: bool
    reason: str = ""
    detail: str = ""
    error: ErrorFacts | None = None
    eager_error: ErrorFacts | None = None
    bound: ErrorFacts | None = None
    excused: int = 0
    """Elements that differ where rounding decides."""
    astray: int = 0
    """Integers that are not eager's."""
    one_off: int = 0
    """Integers that are nobody's, where each of them is one off the oracle's; 0 where one is further off, and of truth
    values.
    """
    eagers: int = 0
    """Integers of eager's that are not the oracle's."""


class _Distance:
    """Running worst and norm of a difference, and of what it is relative to."""

    def __init__(self) -> None:
        self.worst = self.squares = self.scale = self.reference = 0.0

    def add(self, gap: Array, oracle: Array) -> None:
        if len(gap):
            self.join(_distance(gap, oracle))

    def join(self, other: _Distance) -> None:
        self.worst = max(self.worst, other.worst)
        self.scale = max(self.scale, other.scale)
        self.squares += other.squares
        self.reference += other.reference

    def is_finite(self) -> bool:
        """Then so was all it was told of: NaN and infinity reach every sum."""
        return math.isfinite(self.squares) and math.isfinite(self.reference)

    def sample(self) -> Sample:
        return Sample(self.worst, math.sqrt(self.squares), self.scale, math.sqrt(self.reference))


def _distance(gap: Array, oracle: Array, other: _Distance | None = None) -> _Distance:
    """Of one stretch that is not empty. ``other``: of another gap to the same oracle."""
    found = _Distance()
    with quiet(gap):
        found.worst, found.squares = largest(gap), sum_of_squares(gap)
        if other is None:
            found.scale, found.reference = largest(oracle), sum_of_squares(oracle)
        else:
            found.scale, found.reference = other.scale, other.reference
    return found


def measure(expected: Expected) -> Sample:
    """Eager's distance from the oracle, where both are finite; nothing for integers and booleans."""
    found = _Distance()
    leaf = expected.leaf
    if leaf.dtype in EPS:
        for oracle, eager in chunks(leaf, (expected.oracle, expected.oracle_dtype), (expected.eager, leaf.dtype)):
            with quiet(oracle):
                here = _distance(eager - oracle, oracle)
            if not here.is_finite():  # looking for where takes longer than all the rest
                isfinite = module_of(oracle).isfinite
                both = isfinite(oracle) & isfinite(eager)
                here = _Distance()
                here.add(eager[both] - oracle[both], oracle[both])
            found.join(here)
    return found.sample()


def compare(
    got: Raw, expected: Expected, licence: Licence, yardstick: Yardstick = NO_YARDSTICK, jump: float = math.inf
) -> Comparison:
    """Whether one leaf is licensed. ``expected.wavering`` is as right where it is a ``jump`` or more away."""
    if expected.leaf.dtype not in EPS:
        return _compare_exactly(got, expected)
    leaf = expected.leaf
    mine, eagers = _Distance(), _Distance()
    ratio = eager_ratio = 0.0
    atol, rtol = licence.tolerance(leaf.dtype)
    raws = [(got, leaf.dtype), (expected.oracle, expected.oracle_dtype), (expected.eager, leaf.dtype)]
    raws += [(raw, expected.oracle_dtype) for raw in expected.wavering]
    if expected.spared is not None:
        raws.append((expected.spared, expected.oracle_dtype))
    excused = 0
    for x, oracle, eager, *others in chunks(leaf, *raws):
        for without in others[len(expected.wavering) :]:
            oracle, eager = _without_masked(x, oracle, eager, without)
        for other in others[: len(expected.wavering)]:
            oracle, eager, count = _where_it_jumps(x, oracle, eager, other, jump)
            excused += count
        with quiet(x):
            gap, eager_gap = x - oracle, eager - oracle
        here = _distance(gap, oracle)
        eager_here = _distance(eager_gap, oracle, here)
        if not (here.is_finite() and eager_here.is_finite()):  # looking for where takes longer than all the rest
            misplaced = _misplaced(x, oracle, eager)
            if misplaced:
                return Comparison(False, "wrong_output.nonfinite", f"NaN or infinity misplaced in {misplaced} elements")
            x, oracle, eager = _finite(x, oracle, eager)
            gap, eager_gap = x - oracle, eager - oracle
            here, eager_here = _Distance(), _Distance()
            here.add(gap, oracle)
            eager_here.add(eager_gap, oracle)
        mine.join(here)
        eagers.join(eager_here)
        if licence.precision == "tolerance" and len(gap):
            allowed = atol + rtol * abs(oracle)
            ratio = max(ratio, _largest_ratio(gap, allowed))
            eager_ratio = max(eager_ratio, _largest_ratio(eager_gap, allowed))
    error = mine.sample().relative(yardstick.scale, yardstick.reference)
    eager_error = eagers.sample().relative(yardstick.scale, yardstick.reference)
    if licence.precision == "tolerance":
        found = _judge_tolerance(ratio, eager_ratio, error, eager_error)
    else:
        found = _judge_native(error, eager_error, yardstick.error, expected)
    return replace(found, excused=excused)


def _where_it_jumps(x: Array, oracle: Array, eager: Array, other: Array, jump: float) -> tuple[Array, Array, int]:
    """Oracle and eager, replaced where ``other`` is a jump away and nearer to ``x``; in how many elements."""
    module = module_of(x)
    with quiet(x):
        here = (abs(other - oracle) > jump) & (abs(x - other) < abs(x - oracle))
    where = module.where
    return where(here, other, oracle), where(here, other, eager), int(module.count_nonzero(here))


def jump_of(found: Comparison, dtype: str, scale: float, licence: Licence) -> float | None:
    """From where on another answer is no smooth neighbour, absolute; None where ``found`` is not off by such jumps."""
    if found.reason != "wrong_output" or found.error is None or found.error.norm > MOST_ASTRAY:
        return None
    if found.bound is not None:
        bound = found.bound.worst * scale
    else:
        atol, rtol = licence.tolerance(dtype)
        bound = atol + rtol * scale
    return JUMP * bound if found.error.worst * scale > JUMP * bound else None


def _without_masked(x: Array, oracle: Array, eager: Array, spared: Array) -> tuple[Array, Array]:
    """Oracle and eager, replaced where ``x`` is finite and may be."""
    module = module_of(x)
    here = module.isfinite(x) & module.isfinite(spared)
    return module.where(here, spared, oracle), module.where(here, spared, eager)


def _misplaced(x: Array, oracle: Array, eager: Array) -> int:
    """In how many elements ``x`` is NaN or infinite, or is not, unlike both others."""
    module = module_of(x)
    isfinite, isnan = module.isfinite, module.isnan
    if isfinite(x).all() and isfinite(oracle).all() and isfinite(eager).all():
        return 0

    def same(b: Array) -> Array:
        return (isnan(x) & isnan(b)) | (x == b) | (isfinite(x) & isfinite(b))

    return int(module.count_nonzero(~(same(oracle) | same(eager))))


def _finite(x: Array, oracle: Array, eager: Array) -> tuple[Array, Array, Array]:
    """The elements in which ``x`` is finite, with what they are to be compared with: the oracle where it is finite,
    else eager (they differ where eager overflows, or the oracle knows no such number).
    """
    module = module_of(x)
    isfinite = module.isfinite
    here = isfinite(x)
    if here.all() and isfinite(oracle).all() and isfinite(eager).all():
        return x, oracle, eager
    x, oracle, eager = x[here], oracle[here], eager[here]
    truth = module.where(isfinite(oracle), oracle, eager)
    return x, truth, module.where(isfinite(eager), eager, truth)


def _largest_ratio(gap: Array, allowed: Array) -> float:
    """Largest ``|gap| / allowed``; infinite where something differs and nothing is allowed."""
    with quiet(gap):
        ratios = module_of(gap).where(gap == 0, 0.0, abs(gap) / allowed)
    return float(ratios.max())


def _judge_tolerance(ratio: float, eager_ratio: float, error: ErrorFacts, eager_error: ErrorFacts) -> Comparison:
    limit = 1.0 if eager_ratio <= 1.0 else FACTOR * eager_ratio
    detail = "" if ratio <= limit else f"error is {ratio:.3g} times the stated tolerance at the worst element"
    passed = ratio <= limit
    return Comparison(passed, "" if passed else "wrong_output", detail, error, eager_error, None)


def _judge_native(error: ErrorFacts, eager_error: ErrorFacts, excused: ErrorFacts, expected: Expected) -> Comparison:
    floor = _floor(expected)
    bound = ErrorFacts(
        worst=FACTOR * max(eager_error.worst, excused.worst, floor.worst),
        norm=FACTOR * max(eager_error.norm, excused.norm, floor.norm),
    )
    passed = error.worst <= bound.worst and error.norm <= bound.norm
    detail = (
        ""
        if passed
        else (
            f"error {error.worst:.2g} of the output's scale at the worst element, {error.norm:.2g} in norm; "
            f"allowed {bound.worst:.2g} and {bound.norm:.2g}"
        )
    )
    return Comparison(passed, "" if passed else "wrong_output", detail, error, eager_error, bound)


def is_near(got: Raw, other: Raw, expected: Expected, yardstick: Yardstick) -> bool:
    """Whether ``got`` is as near to ``other`` as ``native`` wants it to be to the oracle; quick, and False in doubt.

    Worked out in float32 itself: whoever is within half of the bound is within the bound.
    """
    if expected.leaf.dtype != "float32" or not math.prod(expected.leaf.shape):
        return False
    mine, theirs = as_float32(got), as_float32(other)
    with quiet(mine):  # what nobody wrote may hold anything
        scale = float(abs(theirs).max())
        gap = abs(mine - theirs)
        worst = float(gap.max())
        gap *= gap
        return is_within_half(expected, yardstick, scale, worst, sum_in_float64(gap), sum_in_float64(theirs * theirs))


def is_within_half(
    expected: Expected, yardstick: Yardstick, scale: float, worst: float, gap_squares: float, squares: float
) -> bool:
    """Whether somebody is within half of the bound, and so within the bound whoever the other is.

    ``scale``: largest absolute value of the other answer, ``squares``: the sum of its squares; ``worst`` and
    ``gap_squares``: the same of the differences. False where one of them is not finite.
    """
    if not (math.isfinite(scale + worst + gap_squares + squares) and scale > 0):
        return False
    norm, reference = math.sqrt(gap_squares), math.sqrt(squares)
    floor, excused = _floor(expected), yardstick.error
    allowed = FACTOR / 2 * max(excused.worst, floor.worst) * max(scale, yardstick.scale)
    allowed_norm = FACTOR / 2 * max(excused.norm, floor.norm) * max(reference, yardstick.reference)
    return worst <= allowed and norm <= allowed_norm


def _floor(expected: Expected) -> ErrorFacts:
    """Error that any contender may have, relative to the output's scale, before ``FACTOR``."""
    leaf = expected.leaf
    eps = EPS[leaf.dtype]
    if leaf.is_number:
        # A Python number says nothing of the precision it was computed in; torch's default is assumed.
        eps = max(eps, EPS["float32"])
    if not expected.has_oracle or eps == EPS["float64"]:
        return ErrorFacts(worst=NATIVE_ORACLE_FLOOR_EPS * eps, norm=NATIVE_ORACLE_FLOOR_EPS * eps)
    if ITEM_BYTES[leaf.dtype] == 2:
        return ErrorFacts(worst=HALF_FLOOR_EPS.worst * eps, norm=HALF_FLOOR_EPS.norm * eps)
    return ErrorFacts(worst=FLOOR_EPS * eps, norm=FLOOR_EPS * eps)


def _compare_exactly(got: Raw, expected: Expected) -> Comparison:
    """Integers and booleans: each element is the oracle's or eager's, or one that rounding may make of them."""
    dtype, wrong, excused, astray, eagers, far = expected.leaf.dtype, 0, 0, 0, 0, 0
    raws = [(got, dtype), (expected.oracle, expected.oracle_dtype), (expected.eager, dtype)]
    for x, oracle, eager, *others in chunks(expected.leaf, *raws, *((raw, dtype) for raw in expected.wavering)):
        unlike = x != eager
        left = (x != oracle) & unlike
        count = module_of(x).count_nonzero
        before = int(count(left))
        astray += int(count(unlike))
        eagers += int(count(eager != oracle))
        for other in others:
            left &= x != other
        wrong += int(count(left))
        excused += before - int(count(left))
        if dtype != "bool" and before:
            mine, theirs = (module_of(x).asarray(side[left], dtype=module_of(x).float64) for side in (x, oracle))
            far += int(count(abs(mine - theirs) > 1))
    detail = f"; {excused} more where rounding decides" if excused else ""
    if wrong:
        detail = f"{wrong} of {math.prod(expected.leaf.shape)} elements differ{detail}"
        facts = (ErrorFacts(worst=1.0, norm=1.0), NO_ERROR, NO_ERROR)
        near = 0 if far or dtype == "bool" else wrong
        return Comparison(False, "wrong_output", detail, *facts, astray=astray, one_off=near, eagers=eagers)
    return Comparison(True, error=NO_ERROR, eager_error=NO_ERROR, bound=NO_ERROR, excused=excused, astray=astray)
