"""Who compares numbers: the controller where they are bytes, the verifier where they never leave a device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from tools.harness.arrays import EPS, chunks
from tools.harness.licence import Comparison, Expected, Licence, compare, is_near, measure
from tools.harness.wholes import wrong_wholes
from tools.harness.yardstick import Sample, Yardstick

if TYPE_CHECKING:
    from tools.harness.arrays import Raw


class Numbers(Protocol):
    """What ``tools.harness.licence`` does, wherever the numbers are."""

    def compare(
        self, got: Raw, expected: Expected, licence: Licence, yardstick: Yardstick, jump: float = math.inf
    ) -> Comparison:
        """See ``licence.compare``."""

    def measure(self, expected: Expected) -> Sample:
        """See ``licence.measure``."""

    def is_near(self, got: Raw, other: Raw, expected: Expected, yardstick: Yardstick) -> bool:
        """See ``licence.is_near``."""

    def wrong_wholes(self, got: Raw, expected: Expected) -> int:
        """See ``wholes.wrong_wholes``."""

    def are_finite(self, expected: Expected) -> bool:
        """Whether all numbers of the oracle's answer and of eager's are."""


class LocalNumbers:
    """Numpy on raw bytes."""

    def compare(
        self, got: Raw, expected: Expected, licence: Licence, yardstick: Yardstick, jump: float = math.inf
    ) -> Comparison:
        """See ``Numbers``."""
        return compare(got, expected, licence, yardstick, jump)

    def measure(self, expected: Expected) -> Sample:
        """See ``Numbers``."""
        return measure(expected)

    def is_near(self, got: Raw, other: Raw, expected: Expected, yardstick: Yardstick) -> bool:
        """See ``Numbers``."""
        return is_near(got, other, expected, yardstick)

    def wrong_wholes(self, got: Raw, expected: Expected) -> int:
        """See ``Numbers``."""
        return wrong_wholes(got, expected)

    def are_finite(self, expected: Expected) -> bool:
        """See ``Numbers``."""
        import numpy as np

        if expected.leaf.dtype not in EPS:
            return True
        raws = ((expected.oracle, expected.oracle_dtype), (expected.eager, expected.leaf.dtype))
        return all(bool(np.isfinite(array).all()) for pair in chunks(expected.leaf, *raws) for array in pair)


LOCAL = LocalNumbers()
