"""What trusted answers teach about an output: how large it is, and how far off an honest one may be. Pure.

Candidates are given the very bits that the reference is given, so inputs of 16 bits are no reason to be off. What an
honest kernel loses is lost where results are rounded, and that is as coarse as what eager computes in: float32 where
it widens its inputs first, 16 bits where it stores a product of two of them. So what is excused is how far the oracle
moves when its inputs are rounded once more (``Response``): as finely as the answer is, where no result is rounded to
16 bits (``tools.harness.rounding``), and otherwise as coarsely as they are or as finely as the answer, whichever is
nearer to eager's own error, on a logarithmic scale. The two lie a factor of 2^16 apart (bfloat16 inputs, float32
answer) or of 2^13 (float16); luck would have to be as large as the root of that to mistake one for the other.

Measured, inputs in bfloat16 and answers in float32, relative errors in norm, the largest of eight seeds:

    =================================  =======  =======  =======  =======
    operator                           eager    coarse   fine     excused
    =================================  =======  =======  =======  =======
    softmax, 1024 wide, widened first  7.5e-08  5.0e-03  1.4e-07  fine
    sum of 4096, widened first         5.5e-08  2.6e-03  8.6e-08  fine
    matrix product, widened, K = 512   9.7e-08  3.2e-03  1.0e-07  fine
    cross entropy, widened first       9.4e-08  2.6e-06  6.0e-08  fine
    RMS of rows that are bfloat16 too  5.3e-08  1.0e-04  6.0e-08  fine
    sum of 1024 products in bfloat16   2.1e-03  3.1e-03  9.4e-08  coarse
    SiLU and product, then widened     2.5e-03  3.6e-03  1.1e-07  coarse
    product in bfloat16, softmax       7.4e-03  6.1e-03  1.8e-07  coarse
    =================================  =======  =======  =======  =======
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class ErrorFacts:
    """Distance from the float64 oracle, relative to the output's scale."""

    worst: float
    """Largest absolute difference divided by the largest absolute value of the oracle's output."""
    norm: float
    """Euclidean norm of the difference divided by that of the oracle's output."""


NO_ERROR = ErrorFacts(worst=0.0, norm=0.0)


@dataclass(frozen=True)
class Sample:
    """Something's distance from the oracle's answer to one set, and the size of that answer; all of it absolute."""

    worst: float = 0.0
    norm: float = 0.0
    scale: float = 0.0
    """Largest absolute value of the answer."""
    reference: float = 0.0
    """Its Euclidean norm."""

    def relative(self, scale: float, reference: float) -> ErrorFacts:
        """To the answer, or to ``scale`` and ``reference`` where they are larger."""
        return ErrorFacts(
            worst=self.worst / (max(self.scale, scale) or 1.0), norm=self.norm / (max(self.reference, reference) or 1.0)
        )


@dataclass(frozen=True)
class Response:
    """How far the oracle's answer moves when every input and parameter is rounded once more."""

    coarse: Sample = Sample()
    """In the dtype of each, or in whatever can only be meant."""
    fine: Sample | None = None
    """In the answer's own dtype, the answer itself too, where either may be meant."""


NO_RESPONSE = Response()


@dataclass(frozen=True)
class Yardstick:
    """What other sets of the same kind teach about one output. It is made of trusted answers only."""

    scale: float = 0.0
    reference: float = 0.0
    error: ErrorFacts = NO_ERROR
    """Largest that is excused: eager's on other seeds, and the oracle's response to nudged inputs."""
    is_coarse: bool = False
    """Whether eager rounds on its way to a dtype of its inputs that is coarser than the output's."""

    @classmethod
    def of(cls, samples: Sequence[Sample], response: Response = NO_RESPONSE, *, is_coarse: bool = False) -> Self:
        """Of eager's errors on some sets. ``is_coarse``: if that is known from others.

        Sizes are the upper quartile: neither a lucky zero nor an outlier sets it.
        """
        fine = response.fine or response.coarse
        known = [sample for sample in (*samples, response.coarse) if sample.scale > 0]
        if not known:
            return cls()
        place = math.ceil(0.75 * (len(known) - 1))
        scale = sorted(sample.scale for sample in known)[place]
        reference = sorted(sample.reference for sample in known)[place]
        eager = _largest([sample.relative(scale, reference) for sample in samples if sample.scale > 0])
        low, high = fine.relative(scale, reference), response.coarse.relative(scale, reference)
        if response.fine is not None:
            is_coarse = is_coarse or eager.norm**2 > low.norm * high.norm
        return cls(scale, reference, _largest([eager, high if is_coarse else low]), is_coarse)


NO_YARDSTICK = Yardstick()


def _largest(errors: Sequence[ErrorFacts]) -> ErrorFacts:
    return ErrorFacts(
        worst=max((item.worst for item in errors), default=0.0), norm=max((item.norm for item in errors), default=0.0)
    )
