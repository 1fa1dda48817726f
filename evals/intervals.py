"""The statistics of scores: geometric means, the bootstrap over problems and repeats, Student's quantile."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
NORMAL_FROM = 1e5
"""Degrees of freedom from which Student's t is the normal distribution to five digits."""

Interval = tuple[float, float]
Groups = Sequence[Sequence[float]]
"""By problem, a number for each of its repeats."""


def geometric_mean(values: Sequence[float]) -> float:
    """Of positive numbers. Raises ValueError for none."""
    if not values:
        raise ValueError("the geometric mean of nothing is not defined")
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def mean_of_means(groups: Groups) -> float:
    """Every problem counts once, however many repeats it has. Raises ValueError for no problems."""
    if not groups:
        raise ValueError("the mean of no problems is not defined")
    return math.fsum(math.fsum(group) / len(group) for group in groups) / len(groups)


class Resampling:
    """The hierarchical bootstrap: problems are drawn with replacement, and within each one drawn, its repeats.

    A score varies because other problems could have been asked, and because the same one could have been answered
    otherwise. The draws are the same for every statistic of a score; the same seed gives the same draws.
    """

    def __init__(self, repeats: Sequence[int], seed: int, resamples: int = RESAMPLES) -> None:
        """``repeats``: how many each problem has, at least one. Raises ValueError for no problems."""
        if not repeats:
            raise ValueError("no interval for no problems")
        draw = np.random.default_rng(seed)
        count = len(repeats)
        # How often each problem was drawn; each time as many of its repeats are drawn as it has.
        drawn = draw.multinomial(count, [1 / count] * count, size=resamples)
        columns = [
            draw.multinomial(drawn[:, place] * many, [1 / many] * many) / (many * count)
            for place, many in enumerate(repeats)
        ]
        self._weights: npt.NDArray[np.float64] = np.concatenate(columns, axis=1)

    def ci95(self, groups: Groups) -> Interval:
        """Percentile interval of ``mean_of_means``."""
        flat = np.array([value for group in groups for value in group], dtype=np.float64)
        low, high = np.quantile(self._weights @ flat, [0.025, 0.975])
        return float(low), float(high)


def bootstrap_ci95(values: Sequence[float], seed: int, resamples: int = RESAMPLES) -> Interval:
    """Percentile interval of the geometric mean of positive numbers, one a problem; same seed, same answer."""
    resampling = Resampling([1] * len(values), seed, resamples)
    low, high = resampling.ci95([[math.log(value)] for value in values])
    return math.exp(low), math.exp(high)


def quantile(ordered: Sequence[float], q: float) -> float:
    """Linear interpolation between order statistics of sorted values."""
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def intervals_agree(first: Interval, second: Interval) -> bool:
    """Two judgements agree when their 95 % intervals overlap (a shared end point counts)."""
    return first[0] <= second[1] and second[0] <= first[1]


@functools.lru_cache(maxsize=4096)
def student_quantile(confidence: float, freedom: float) -> float:
    """Half width, in standard errors, of the two-sided interval of this confidence for so many degrees of freedom."""
    tail = 1 - confidence
    if freedom >= NORMAL_FROM:
        return -NormalDist().inv_cdf(tail / 2)
    low, high = 0.0, 1.0
    while _two_tails(high, freedom) > tail:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _two_tails(middle, freedom) > tail else (low, middle)
    return (low + high) / 2


def _two_tails(t: float, freedom: float) -> float:
    """Probability that Student's t lies beyond ``t`` on either side."""
    return _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularised, by its continued fraction (Abramowitz and Stegun 26.5.8, in Lentz's way)."""
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    total = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / ((1 + term * d) or tiny)
            c = (1 + term / c) or tiny
            total *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * total
