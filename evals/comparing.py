"""Two agents, or two versions of one, on the same problems: better, the same or worse, and how sure that is.

What is compared is the logarithm of each problem's credit (``evals.scoring``), problem by problem. Its noise comes
from the search, which may find something else the next time, and from measuring:

* with two repeats or more on both sides, from how much repeats of one problem differ (Welch's), but never less than
  what the verdicts' own intervals say that two judgements of one kernel differ by: repeats of one afternoon share the
  machine's mood, so that is not divided by their number;
* else from how much the differences vary over the problems (paired), and again from the intervals. That needs more
  problems to see anything, and of one problem alone nothing can be said.

*Better* and *worse* are said where the mean lies outside of the noise band: the half width of the 99.9 % interval,
and never less than 2 %, below which the judge itself calls nothing faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, variance
from typing import Any, Final, Literal

from evals.arms import AGENT
from evals.reporting import SuiteReport
from evals.results import SuiteResult
from tools.errors import RequestError
from tools.student import student_quantile

COMPARISON_SCHEMA: Final = "kernelwright.comparison/1"
CONFIDENCE: Final = 0.999
"""Of two versions that are the same, one comparison in a thousand may say otherwise."""
FLOOR: Final = math.log(1.02)
_FROM_CI95: Final = 2 * 1.959964
_MANY: Final = 1e6
"""Degrees of freedom of what is known by other means than these repeats."""

Word = Literal["better", "same", "worse"]


@dataclass(frozen=True)
class Side:
    """What one of the two is, and what it took on the problems that are compared."""

    what: str
    version: str
    date: str
    geometric_mean: float
    """Of the problems that are compared."""
    tokens: int
    cost_usd: float | None
    seconds: float


@dataclass(frozen=True)
class Pair:
    """One problem: how many times as fast the second side's answer is as the first's."""

    name: str
    before: float
    """Geometric mean of the credits over the repeats."""
    after: float
    ratio: float
    low: float
    high: float
    """99.9 %, all problems of the comparison together."""

    @property
    def moved(self) -> bool:
        """Beyond noise, and beyond what the judge calls anything."""
        return (self.low > 1 or self.high < 1) and abs(math.log(self.ratio)) > FLOOR


@dataclass(frozen=True)
class Comparison:
    """What is said of two sides."""

    word: Word
    """Of the second one."""
    ratio: float
    """Geometric mean over the problems."""
    low: float
    high: float
    """99.9 %."""
    band: float
    """The noise band as a factor: less than this is nothing, 1.05 for 5 %."""
    basis: str
    """Where the noise is known from, one line."""
    before: Side
    after: Side
    licence: str
    pairs: tuple[Pair, ...]
    left_out: tuple[str, ...]
    """Failed on both sides."""
    only_before: tuple[str, ...]
    """Problems that the other side does not have."""
    only_after: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """1 for worse, else 0."""
        return int(self.word == "worse")

    @property
    def moved(self) -> tuple[Pair, ...]:
        """Problems that clearly moved, the worst first."""
        return tuple(sorted((pair for pair in self.pairs if pair.moved), key=lambda pair: pair.ratio))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with its schema."""
        return {"schema": COMPARISON_SCHEMA, **asdict(self), "moved": [pair.name for pair in self.moved]}


@dataclass(frozen=True)
class _Runs:
    """All runs of one side on one problem."""

    name: str
    logs: tuple[float, ...]
    """Of the credits, 0 for a run that failed."""
    spread: float
    """Variance of the log of one verdict, by its own interval."""
    failed: bool
    """Every one of them."""


@dataclass(frozen=True)
class _Noise:
    """A variance, and how many degrees of freedom it is known by."""

    variance: float
    freedom: float

    def half_width(self, confidence: float = CONFIDENCE) -> float:
        return student_quantile(confidence, self.freedom) * math.sqrt(self.variance)


_UNKNOWN: Final = _Noise(1.0, 1)
"""As good as nothing: a band of hundreds of times."""


def compare(
    before: SuiteReport,
    after: SuiteReport,
    *,
    arms: tuple[str, str] = (AGENT, AGENT),
    across: bool = False,
) -> Comparison:
    """Compare an arm of the one with an arm of the other, on the problems that both have (by the hash of their files).

    A problem that failed on one side only counts 1.0 there. ``across`` allows other targets and devices. Raises
    RequestError for reports that cannot be compared.
    """
    _check(before, after, across=across)
    sides = [_by_problem(report.of(arm)) for report, arm in zip((before, after), arms, strict=True)]
    shared = [key for key in sides[0] if key in sides[1]]
    if not shared:
        raise RequestError("the two reports have no problem in common: compare evaluations of the same suite")
    both = [(sides[0][key], sides[1][key]) for key in shared]
    used = [pair for pair in both if not (pair[0].failed and pair[1].failed)]
    if not used:
        raise RequestError("every problem failed in both reports: there is nothing to compare")
    differences = [fmean(second.logs) - fmean(first.logs) for first, second in used]
    noise, single, basis = _noise(used, differences)
    mean, half = fmean(differences), noise.half_width()
    band = max(half, FLOOR)
    word: Word = "better" if mean > band else "worse" if mean < -band else "same"
    keys = {key for key, (first, second) in zip(shared, both, strict=True) if not (first.failed and second.failed)}
    return Comparison(
        word=word,
        ratio=math.exp(mean),
        low=_exp(mean - half),
        high=_exp(mean + half),
        band=_exp(band),
        basis=basis,
        before=_side(before, arms[0], keys, [first for first, _ in used]),
        after=_side(after, arms[1], keys, [second for _, second in used]),
        licence=before.licence,
        pairs=tuple(_pair(*runs, single(place), len(used)) for place, runs in enumerate(used)),
        left_out=tuple(first.name for first, second in both if first.failed and second.failed),
        only_before=tuple(runs.name for key, runs in sides[0].items() if key not in sides[1]),
        only_after=tuple(runs.name for key, runs in sides[1].items() if key not in sides[0]),
    )


def beside(report: SuiteReport) -> dict[str, Comparison]:
    """The agent against each other arm of the same evaluation that has results."""
    others = [arm for arm in report.arms if arm != AGENT and report.of(arm)]
    found = {}
    for arm in others if report.of(AGENT) else []:
        try:
            found[arm] = compare(report, report, arms=(arm, AGENT))
        except RequestError:  # while it runs there may be nothing in common yet
            continue
    return found


def _check(before: SuiteReport, after: SuiteReport, *, across: bool) -> None:
    if before.licence != after.licence:
        raise RequestError(
            f"one was judged under the licence {before.licence}, the other under {after.licence}: "
            "scores of different licences are never put together; run one again with the other's --precision"
        )
    facts = [("target", before.target, after.target)]
    if all(report.machine["torch"] for report in (before, after)):  # else no judge has seen the device
        facts += [
            ("device", *(report.machine.get("device") or report.machine["cpu"] for report in (before, after))),
            ("number of threads", before.machine["cores"], after.machine["cores"]),
        ]
    for what, first, second in facts:
        if first != second and not across:
            raise RequestError(
                f"the {what} is not the same ({first}; {second}): speed-ups found on one say little of the other; "
                "--across compares all the same"
            )


def _by_problem(results: Sequence[SuiteResult]) -> dict[str, _Runs]:
    groups: dict[str, list[SuiteResult]] = {}
    for result in results:
        groups.setdefault(result.sha256 or result.name, []).append(result)
    return {key: _runs(group) for key, group in groups.items()}


def _runs(group: Sequence[SuiteResult]) -> _Runs:
    logs = [math.log(result.to_entry().credit) if result.is_complete else 0.0 for result in group]
    return _Runs(
        name=group[0].name,
        logs=tuple(logs),
        spread=fmean(_spread(result) for result in group),
        failed=not any(result.is_complete for result in group),
    )


def _spread(result: SuiteResult) -> float:
    """What the verdict that counts says of its own repeatability; nothing of a credit that is 1.0 by definition."""
    verdict = result.second if result.agrees is not None else result.first
    if verdict is None or verdict.speedup_ci95 is None or result.to_entry().credit == 1.0:
        return 0.0
    low, high = verdict.speedup_ci95
    return ((math.log(high) - math.log(low)) / _FROM_CI95) ** 2 if low > 0 else 0.0


def _noise(
    used: Sequence[tuple[_Runs, _Runs]], differences: Sequence[float]
) -> tuple[_Noise, Callable[[int], _Noise], str]:
    """Of the mean, of each single problem, and where it is known from."""
    count = len(used)
    measured = [first.spread + second.spread for first, second in used]
    if all(len(runs.logs) > 1 for pair in used for runs in pair):
        within = [sum(variance(runs.logs) / len(runs.logs) for runs in pair) for pair in used]
        freedom = [sum(len(runs.logs) - 1 for runs in pair) for pair in used]
        known = [
            _Noise(search, free) if search > measuring else _Noise(measuring, _MANY)
            for search, measuring, free in zip(within, measured, freedom, strict=True)
        ]
        pooled = fmean(within)  # of few repeats of one problem no variance is known well

        def single(place: int) -> _Noise:
            return _Noise(max(within[place], pooled, measured[place]), sum(freedom))

        repeats = min(len(runs.logs) for pair in used for runs in pair)
        return _together(known), single, f"how much {repeats} repeats or more of each of {count} problems differ"
    return _of_one_repeat(measured, differences)


def _of_one_repeat(
    measured: Sequence[float], differences: Sequence[float]
) -> tuple[_Noise, Callable[[int], _Noise], str]:
    """What the problems' differences say of each other. Of one problem, nobody knows what it would do the next time."""
    count = len(differences)
    whole = _Noise(sum(measured) / count**2, _MANY)
    paired = _Noise(variance(differences) / count, count - 1) if count > 1 else _UNKNOWN
    whole = max(whole, paired, key=lambda noise: noise.half_width())

    def single(place: int) -> _Noise:
        # Without itself: one that moved far would make its own move look usual.
        others = [*differences[:place], *differences[place + 1 :]]
        if len(others) < 2:
            return _UNKNOWN
        return max(
            _Noise(variance(others), len(others) - 1),
            _Noise(measured[place], _MANY),
            key=lambda noise: noise.half_width(),
        )

    return whole, single, f"how much the differences vary over the problems ({count}, of one repeat)"


def _together(known: Sequence[_Noise]) -> _Noise:
    """Of the mean of independent differences (Welch and Satterthwaite)."""
    total = sum(noise.variance for noise in known)
    if total == 0:
        return _Noise(0.0, _MANY)
    freedom = total**2 / sum(noise.variance**2 / noise.freedom for noise in known)
    return _Noise(total / len(known) ** 2, min(_MANY, max(1.0, freedom)))


def _pair(first: _Runs, second: _Runs, noise: _Noise, count: int) -> Pair:
    before, after = fmean(first.logs), fmean(second.logs)
    half = noise.half_width(1 - (1 - CONFIDENCE) / count)
    ratio = after - before
    return Pair(
        first.name, math.exp(before), math.exp(after), math.exp(ratio), low=_exp(ratio - half), high=_exp(ratio + half)
    )


def _side(report: SuiteReport, arm: str, keys: set[str], runs: Sequence[_Runs]) -> Side:
    entries = [result.to_entry() for result in report.of(arm) if (result.sha256 or result.name) in keys]
    costs = [entry.cost_usd for entry in entries]
    less = "".join(f", without {part}" for part in report.without) if arm == AGENT else ""
    return Side(
        what=f"{arm} with {report.model}{less}",
        version=report.version,
        date=report.date,
        geometric_mean=math.exp(fmean(fmean(one.logs) for one in runs)),
        tokens=sum(entry.tokens for entry in entries),
        cost_usd=None if None in costs else math.fsum(cost for cost in costs if cost is not None),
        seconds=math.fsum(entry.seconds for entry in entries),
    )


def _exp(value: float) -> float:
    """Finite, as JSON has no infinity."""
    return math.exp(min(700.0, max(-700.0, value)))
