"""Statistics of interleaved timings. Pure; the same seed gives the same interval.

The statistic of a series of log ratios, one for each round of windows, is their median. Rounds that a neighbour
disturbed are few but far off, and the bootstrap of anything that breaks down earlier is wide: with 12 ratios, 2 % of
noise and one in twelve disturbed in either direction, the interval of the Hodges-Lehmann estimate is 26 % wide, the
median's 4 %; without such ones 2.7 % and 3.0 % (simulated, 300 trials each). The interval is a bootstrap over rounds,
widened for small samples as Hesterberg proposes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

from tools.student import student_quantile

RESAMPLES = 1000
CONFIDENCE = 0.95
MIN_EFFECT = 0.02
"""Below this a difference is not called one, however sharp the interval."""
REPEATABILITY = 0.045
"""Standard deviation of the log of a speed-up from one judgement to the next.

Measured on 24 kernels that were judged twice on a 2-core virtual machine (docs/results/2026-11-24-cpu-threes.md);
blocks alone explain 1 to 2 % of it, and by them 5 of the 24 pairs disagreed.
"""
DEVICE_REPEATABILITY = 0.01
"""The same of what runs on a GPU: 0.8 % over 12 kernels that were judged two to four times on an H200, ten of them
with fresh baselines the second time (docs/results/2026-11-29-gpu-third-look.md).
"""


@dataclass(frozen=True)
class Interval:
    """A ratio and its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Farthest that the interval reaches from 1; the half width when it is centred there."""
        return max(abs(self.high - 1), abs(1 - self.low))

    def for_judgements(self, sittings: int = 1, repeatability: float = REPEATABILITY) -> Interval:
        """The interval once it is known that judgements of the same kernel differ by more than their blocks tell.

        The blocks of one sitting share their processes, which lie somewhere in memory, and a state of the
        machine; what differs from sitting to sitting is added in quadrature.
        """
        reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * repeatability / math.sqrt(sittings)
        below = math.hypot(math.log(self.value / self.low), reach)
        above = math.hypot(math.log(self.high / self.value), reach)
        return Interval(self.value, self.value * math.exp(-below), self.value * math.exp(above))


def ratio_interval(series: Sequence[Sequence[float]], seed: int) -> Interval:
    """Geometric mean over the cases of each case's ratio; ``series`` holds log ratios by case.

    They are resampled within their case. Raises ValueError for a case without any.
    """
    import numpy as np

    if not series or any(not len(logs) for logs in series):
        raise ValueError("every case needs at least one ratio")
    random = np.random.default_rng(seed)
    total = np.zeros(RESAMPLES)
    value = 0.0
    for logs in series:
        data = np.asarray(logs, dtype=np.float64)
        value += float(np.median(data))
        picks = random.integers(0, len(data), size=(RESAMPLES, len(data)))
        total += np.median(data[picks], axis=1)
    value /= len(series)
    low, high = np.quantile(total / len(series), _tails(min(len(logs) for logs in series)))
    # The estimate itself is never outside its interval, whatever the resamples did.
    return Interval(math.exp(value), math.exp(min(low, value)), math.exp(max(high, value)))


def mean_interval(logs: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Geometric mean of ratios, two or more, with Student's interval for it. ``logs``: their logarithms."""
    middle = fmean(logs)
    quantile = student_quantile(confidence, len(logs) - 1)
    reach = quantile * stdev(logs) / math.sqrt(len(logs))
    return Interval(math.exp(middle), math.exp(middle - reach), math.exp(middle + reach))


def _tails(blocks: int) -> tuple[float, float]:
    """Quantiles of the bootstrap distribution that cover 95 % for this few blocks."""
    if blocks < 2:
        return 0.0, 1.0
    stretched = student_quantile(CONFIDENCE, blocks - 1) * math.sqrt(blocks / (blocks - 1))
    lower = NormalDist().cdf(-stretched)
    return lower, 1 - lower


def window_ratios(slow: Sequence[Sequence[float]], fast: Sequence[Sequence[float]]) -> list[float]:
    """Log of ``slow`` / ``fast`` for windows of the same round, which are some tens of milliseconds apart.

    A machine's slower spells last longer than that, so both are slow. Over 480 rounds of a softmax against itself on a
    2-core virtual machine (2026-11-25), the median of 36 such ratios had a standard deviation of 0.8 %, that of 12
    ratios between medians of three rounds 1.3 to 1.6 %.
    """
    return [
        math.log(above / below)
        for slows, fasts in zip(slow, fast, strict=True)
        for above, below in zip(slows, fasts, strict=False)
    ]


def verdict_on(interval: Interval, aa_spread: float) -> bool | None:
    """Faster, not faster, or None for ambiguous."""
    bar = 1 + max(MIN_EFFECT, aa_spread)
    if interval.low > bar:
        return True
    return False if interval.high < bar else None


def quantiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """Median, 5th and 95th percentile."""
    import numpy as np

    middle, low, high = np.quantile(np.asarray(samples, dtype=np.float64), (0.5, 0.05, 0.95))
    return float(middle), float(low), float(high)


def quartiles(samples: Sequence[float]) -> tuple[float, float]:
    """Lower and upper."""
    import numpy as np

    low, high = np.quantile(np.asarray(samples, dtype=np.float64), (0.25, 0.75))
    return float(low), float(high)
