"""Making verdicts: from measured cases, from a rejection, from a failure of ours. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tools.benchmarking import CaseRatios
from tools.contender import Rejected
from tools.harness.licence import Comparison
from tools.intervals import verdict_on
from tools.roofline import Floor, summary
from tools.sittings import Sitting, combined, pool
from tools.verdict import CaseVerdict, CompileResult, Verdict

IMPLAUSIBLE = 10.0
"""A speed-up beyond it is told as doubtful until it was confirmed."""


def accepted(
    about: Mapping[str, Any],
    sittings: Sequence[Sitting],
    closest: Comparison | None,
    floors: Mapping[str, Floor],
    stages: Mapping[str, float],
    *,
    seed: int,
    specialised: bool | None,
    mutants: int = 0,
    notes: Sequence[str] = (),
) -> Verdict:
    """A verdict on a candidate that is right on every case. ``notes``: what the reader should know besides."""
    interval, aa_spread = combined(sittings, seed)
    cases = [above(floors, pool(group, seed)) for group in zip(*sittings, strict=True)]
    fraction, headroom, at_floor = summary({case.name: case.candidate.median_s for case in cases}, floors)
    return Verdict(
        **about,
        status="accepted",
        error=closest.error if closest else None,
        eager_error=closest.eager_error if closest else None,
        error_bound=closest.bound if closest else None,
        speedup=interval.value,
        speedup_ci95=(interval.low, interval.high),
        worst_case_speedup=min(case.speedup for case in cases),
        faster=verdict_on(interval, aa_spread),
        baselines=mean_baselines(cases),
        cases=tuple(cases),
        roofline_fraction=fraction,
        headroom=headroom,
        at_floor=at_floor,
        specialised=specialised,
        mutants=mutants,
        sittings=len(sittings),
        log="\n".join(notes),
        stage_seconds=rounded(stages),
    )


def above(floors: Mapping[str, Floor], case: CaseVerdict) -> CaseVerdict:
    """The case with its floor, if there is one."""
    floor = floors.get(case.name)
    return case if floor is None else case.model_copy(update={"floor_s": floor.seconds, "bound": floor.bound})


def doubts(cases: Sequence[CaseRatios], *, confirm: bool) -> list[str]:
    """A note on a speed-up that nobody should believe yet."""
    best = max(case.verdict.speedup for case in cases)
    if confirm or best < IMPLAUSIBLE:
        return []
    return [f"quarantined: {best:.1f} times the best baseline is implausible, and counts only once it is confirmed"]


def rejected(about: Mapping[str, Any], error: Rejected, stages: Mapping[str, float]) -> Verdict:
    """A verdict on a candidate that is at fault."""
    mine, eagers, bound = error.facts
    return Verdict(
        **about,
        status="rejected",
        reason=error.reason,
        detail=error.detail,
        log=error.log,
        error=mine,
        eager_error=eagers,
        error_bound=bound,
        stage_seconds=rounded(stages),
    )


def infrastructure(about: Mapping[str, Any], error: Exception, stages: Mapping[str, float]) -> Verdict:
    """We could not judge; the candidate is not to blame."""
    return Verdict(
        **about,
        status="infrastructure_error",
        reason="infrastructure",
        detail=str(error),
        stage_seconds=rounded(stages),
    )


def failed_compile(result: CompileResult) -> str:
    """One line of a build that failed: its first error, or its last line."""
    lines = [line.strip() for line in result.log.splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line.lower()]
    line = errors[0] if errors else lines[-1] if lines else "no message"
    return line[:300]


def mean_baselines(cases: Sequence[CaseVerdict]) -> dict[str, float]:
    """Name to seconds, geometric mean over the cases."""
    names = cases[0].baselines
    return {
        name: math.exp(sum(math.log(case.baselines[name].median_s) for case in cases) / len(cases))
        for name in names
        if all(name in case.baselines for case in cases)
    }


def rounded(stages: Mapping[str, float]) -> dict[str, float]:
    """Seconds to the millisecond."""
    return {name: round(max(0.0, value), 3) for name, value in stages.items()}
