"""Scores of a suite, as pure functions of what its problems' champions were judged to be.

A problem's *credit* is the confirmed speed-up of its champion over the best baseline, never less than 1.0,
and 1.0 where nothing faster was found: one may always keep what one had.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

FAST_P = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0)
RESAMPLES = 10_000

Interval = tuple[float, float]


@dataclass(frozen=True)
class Entry:
    """What scoring needs to know of one problem."""

    name: str
    accepted: bool
    """At least one candidate was accepted."""
    speedup: float | None
    """Of the champion as first confirmed; None where there is none."""
    improved: bool
    """The first confirmation found it faster beyond noise."""
    second_speedup: float | None = None
    """By the second, independent judgement; None where there was none or it did not accept."""
    agrees: bool | None = None
    """Whether the two judgements agree; None where there were not two."""


@dataclass(frozen=True)
class Score:
    """A suite's result in numbers."""

    problems: int
    accepted: int
    improved: int
    geometric_mean: float
    """Of the credits."""
    geometric_mean_ci95: Interval
    """Bootstrap over problems: how the mean would vary with another draw of such problems."""
    second_geometric_mean: float
    """The same, credits taken from the second judgements."""
    fast_p: dict[str, float]
    """Share of the problems with a champion more than p times as fast, by p."""
    worst: float | None
    """Lowest speed-up of any champion, not floored; None without champions."""
    worst_problem: str | None
    judged_twice: int
    agreeing: int
    disagreeing: tuple[str, ...]
    """Problems whose two judgements do not agree."""


def credit(speedup: float | None, improved: bool = True) -> float:
    """The speed-up a problem counts with."""
    return max(speedup, 1.0) if improved and speedup is not None else 1.0


def geometric_mean(values: Sequence[float]) -> float:
    """Of positive numbers. Raises ValueError for none."""
    if not values:
        raise ValueError("the geometric mean of nothing is not defined")
    return math.exp(math.fsum(math.log(value) for value in values) / len(values))


def fast_p(credits_: Sequence[float], p: float) -> float:
    """Share of the problems whose credit exceeds ``p``, as KernelBench defines it."""
    return sum(value > p for value in credits_) / len(credits_) if credits_ else 0.0


def bootstrap_ci95(values: Sequence[float], seed: int, resamples: int = RESAMPLES) -> Interval:
    """Percentile interval of the geometric mean, problems drawn with replacement; same seed, same answer."""
    if not values:
        raise ValueError("no interval for no problems")
    logs = [math.log(value) for value in values]
    count = len(logs)
    draw = random.Random(seed)  # noqa: S311 - statistics, no secret
    means = sorted(math.fsum(draw.choices(logs, k=count)) / count for _ in range(resamples))
    return math.exp(quantile(means, 0.025)), math.exp(quantile(means, 0.975))


def quantile(ordered: Sequence[float], q: float) -> float:
    """Linear interpolation between order statistics of sorted values."""
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def intervals_agree(first: Interval, second: Interval) -> bool:
    """Two judgements agree when their 95 % intervals overlap (a shared end point counts)."""
    return first[0] <= second[1] and second[0] <= first[1]


def score(entries: Sequence[Entry], seed: int = 0) -> Score:
    """Score a suite. Raises ValueError for an empty one."""
    credits_ = [credit(entry.speedup, entry.improved) for entry in entries]
    # A champion that the second judgement rejects earns nothing; one it never saw keeps its first credit.
    second = [
        credit(entry.speedup if entry.agrees is None else entry.second_speedup, entry.improved) for entry in entries
    ]
    champions = [(entry.speedup, entry.name) for entry in entries if entry.speedup is not None]
    worst, worst_problem = min(champions, default=(None, None))
    return Score(
        problems=len(entries),
        accepted=sum(entry.accepted for entry in entries),
        improved=sum(entry.improved for entry in entries),
        geometric_mean=geometric_mean(credits_),
        geometric_mean_ci95=bootstrap_ci95(credits_, seed),
        second_geometric_mean=geometric_mean(second),
        fast_p={f"{p:g}": fast_p(credits_, p) for p in FAST_P},
        worst=worst,
        worst_problem=worst_problem,
        judged_twice=sum(entry.agrees is not None for entry in entries),
        agreeing=sum(entry.agrees is True for entry in entries),
        disagreeing=tuple(entry.name for entry in entries if entry.agrees is False),
    )
