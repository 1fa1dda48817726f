"""The statistics of scores: geometric means, the bootstrap over problems and repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000

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
