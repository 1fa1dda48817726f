"""Scores of a suite, as pure functions of what came of its problems.

A run's *credit* is the speed-up of its champion over the best baseline as this evaluation itself judged it, never
less than 1.0, and 1.0 where nothing faster was found: one may always keep what one had. A champion that the search
has confirmed has been chosen among many, so what the search said of it is told, and not what counts.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from evals.intervals import Interval, Resampling, mean_of_means

FAST_P = (0.0, 0.5, 0.8, 1.0, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0)
GOAL = 1.2
"""The speed-up to which steps are counted."""


@dataclass(frozen=True)
class Entry:
    """What scoring needs to know of one run: a problem has one for each repeat."""

    name: str
    accepted: bool
    """At least one candidate was accepted."""
    speedup: float | None
    """Of the champion as the search confirmed it; None where there is none."""
    improved: bool
    """That confirmation found it faster beyond noise."""
    second_speedup: float | None = None
    """By the evaluation's own judgement; None where there was none or it did not accept."""
    agrees: bool | None = None
    """Whether the two judgements agree; None where there were not two."""
    best_seen: float | None = None
    """The fastest accepted candidate of the search, champion or not."""
    tokens: int = 0
    cost_usd: float | None = 0.0
    """None when some of it is unknown."""
    seconds: float = 0.0
    """Active ones, of the search."""
    steps: int | None = None
    """How many candidates had been judged when one reached ``GOAL``; None where none did."""

    @property
    def credit(self) -> float:
        """What it counts with in a mean."""
        # One that the second judgement never saw keeps its first credit.
        return credit(self.speedup if self.agrees is None else self.second_speedup, self.improved)

    @property
    def is_right(self) -> bool:
        """Something was accepted, and what this evaluation judged again was accepted again."""
        return self.accepted and not (self.agrees is False and self.second_speedup is None)

    @property
    def speed(self) -> float | None:
        """How fast its answer is, slower than the baselines or not; None where it has no right one.

        What was not confirmed to be faster is not more than 1.0.
        """
        if not self.is_right:
            return None
        if self.improved:
            return self.speedup if self.agrees is None else self.second_speedup
        return min(1.0, 1.0 if self.best_seen is None else self.best_seen)


@dataclass(frozen=True)
class Score:
    """A suite's result in numbers. Intervals are 95 % ones of the bootstrap over problems and their repeats."""

    problems: int
    repeats: int
    """Of the problem that has most."""
    accepted: int
    """Of the runs."""
    improved: int
    pass_rate: float
    """Share of the runs with a right answer; every problem counts once, as in all that follows."""
    pass_rate_ci95: Interval
    geometric_mean: float
    """Of the credits."""
    geometric_mean_ci95: Interval
    claimed_geometric_mean: float
    """The same by what the searches themselves confirmed."""
    fast_p: dict[str, float]
    """Share with a right answer more than p times as fast as the best baseline, by p."""
    fast_p_ci95: dict[str, Interval]
    worst: float | None
    """Lowest speed-up of any champion, by the evaluation's own judgement, not floored; None without champions."""
    worst_problem: str | None
    tokens: int
    """Of all runs together, as dollars and seconds are."""
    cost_usd: float | None
    """None when some of it is unknown."""
    seconds: float
    reached_goal: int
    """Runs of which a champion holds ``GOAL``."""
    steps_to_goal: float | None
    """Candidates judged until then, the median over those; None where none did."""
    judged_twice: int
    agreeing: int
    disagreeing: tuple[str, ...]
    """Problems whose two judgements do not agree."""


def credit(speedup: float | None, improved: bool = True) -> float:
    """The speed-up a run counts with."""
    return max(speedup, 1.0) if improved and speedup is not None else 1.0


def fast_p(speeds: Sequence[float | None], p: float) -> float:
    """Share of right answers that are more than ``p`` times as fast, as KernelBench defines it; None is a wrong one."""
    return sum(value is not None and value > p for value in speeds) / len(speeds) if speeds else 0.0


def score(entries: Sequence[Entry], seed: int = 0) -> Score:
    """Score the runs of one agent on a suite. Raises ValueError for none."""
    if not entries:
        raise ValueError("there is no score of nothing")
    return _score(tuple(entries), seed)


@functools.lru_cache(maxsize=8)
def _score(entries: tuple[Entry, ...], seed: int) -> Score:
    """Kept for a while: whoever shows a report asks several times, and thousands of draws are made for it."""
    problems: dict[str, list[Entry]] = {}
    for entry in entries:
        problems.setdefault(entry.name, []).append(entry)
    resampling = Resampling([len(runs) for runs in problems.values()], seed)

    def measure(what: Callable[[Entry], float]) -> tuple[float, Interval]:
        groups = [[what(entry) for entry in runs] for runs in problems.values()]
        return mean_of_means(groups), resampling.ci95(groups)

    passed, passed_ci95 = measure(lambda entry: entry.is_right)
    log, log_ci95 = measure(lambda entry: math.log(entry.credit))
    claimed, _ = measure(lambda entry: math.log(credit(entry.speedup, entry.improved)))
    shares = {f"{p:g}": measure(lambda entry, p=p: fast_p([entry.speed], p)) for p in FAST_P}  # type: ignore[misc]
    costs = [entry.cost_usd for entry in entries]
    steps = [entry.steps for entry in entries if entry.steps is not None]
    worst, worst_problem = min(_champions(entries), default=(None, None))
    return Score(
        problems=len(problems),
        repeats=max(map(len, problems.values())),
        accepted=sum(entry.accepted for entry in entries),
        improved=sum(entry.improved for entry in entries),
        pass_rate=passed,
        pass_rate_ci95=passed_ci95,
        geometric_mean=math.exp(log),
        geometric_mean_ci95=(math.exp(log_ci95[0]), math.exp(log_ci95[1])),
        claimed_geometric_mean=math.exp(claimed),
        fast_p={p: share for p, (share, _) in shares.items()},
        fast_p_ci95={p: interval for p, (_, interval) in shares.items()},
        worst=worst,
        worst_problem=worst_problem,
        tokens=sum(entry.tokens for entry in entries),
        cost_usd=None if None in costs else math.fsum(cost for cost in costs if cost is not None),
        seconds=math.fsum(entry.seconds for entry in entries),
        reached_goal=len(steps),
        steps_to_goal=float(median(steps)) if steps else None,
        judged_twice=sum(entry.agrees is not None for entry in entries),
        agreeing=sum(entry.agrees is True for entry in entries),
        disagreeing=tuple(sorted({entry.name for entry in entries if entry.agrees is False})),
    )


def _champions(entries: Sequence[Entry]) -> list[tuple[float, str]]:
    judged = [(entry.second_speedup if entry.second_speedup is not None else entry.speedup, entry) for entry in entries]
    return [(speedup, entry.name) for speedup, entry in judged if speedup is not None]
