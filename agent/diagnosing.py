"""What limits a judged candidate, by rule: pure, so that the same verdict always gets the same diagnosis.

A profiler's word counts before what times and sizes suggest, where the model asked one before it submitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from agent.reflecting import FAR_FROM_ROOFLINE, NEAR_ROOFLINE, to_lesson
from tools.problem import Description
from tools.problem_text import one_line
from tools.profiling.diagnosis import Diagnosis as Profile
from tools.roofline import roof_of
from tools.verdict import Verdict

Bottleneck = Literal["memory", "compute", "latency", "occupancy", "launch", "correctness", "compile", "unknown"]
BOTTLENECKS: tuple[str, ...] = get_args(Bottleneck)

SHORT_S = 20e-6
"""A call that takes less is mostly start: of a torch operator, of a launch, of a team of threads."""
BALANCE = 12.0
"""Operations a byte beyond which arithmetic may be the limit: an H200's in float32; a processor's is near it."""
LONGEST_EVIDENCE = 300
LONGEST_LESSON = 500
_DOES_NOT_BUILD = ("compile_error", "import_error", "no_model_new")
_SAYS_NOTHING = ("timeout", "out_of_memory")


class Diagnosis(BaseModel):
    """What limits one candidate, and what its judgement taught."""

    model_config = ConfigDict(frozen=True)

    bottleneck: Bottleneck
    evidence: str
    """One line: what was seen."""
    lesson: str
    """One or two lines: what was tried and what came of it."""
    author: Literal["rule", "model"] = "rule"


def diagnose_by_rule(
    verdict: Verdict,
    description: Description,
    *,
    parent_speedup: float | None = None,
    profile: Profile | None = None,
) -> Diagnosis:
    """From facts alone; the lesson is ``to_lesson``'s."""
    lesson = to_lesson(verdict, parent_speedup=parent_speedup)
    bottleneck, evidence = _bottleneck(verdict, description, profile)
    return Diagnosis(bottleneck=bottleneck, evidence=one_line(evidence, LONGEST_EVIDENCE), lesson=lesson)


def diagnosis_text(candidate: str, data: Mapping[str, Any]) -> str:
    """A ``reflected`` event as a line of a prompt; empty for one of a time before there were diagnoses."""
    if "bottleneck" not in data:
        return ""
    evidence = one_line(data["evidence"], LONGEST_EVIDENCE)
    return f"{candidate} bottleneck={data['bottleneck']} ({data['author']}): {evidence}"


def _bottleneck(verdict: Verdict, description: Description, profile: Profile | None) -> tuple[Bottleneck, str]:
    if verdict.status != "accepted":
        return _rejected(verdict)
    seen = _profiled(profile)
    if seen is not None:
        return seen
    seconds = [case.candidate.median_s for case in verdict.cases]
    if seconds and max(seconds) < SHORT_S:
        return "launch", f"a call takes {max(seconds) * 1e6:.1f} microseconds: mostly its start"
    fraction, intensity = verdict.roofline_fraction, _intensity(description)
    work = f"{intensity:.1f} operations a byte" if intensity else "operations not counted"
    bounds = {case.bound for case in verdict.cases}
    bound = next(iter(bounds)) if len(bounds) == 1 else None
    likely: Bottleneck = bound or ("compute" if intensity > BALANCE else "memory")
    if fraction is None:
        known = bound is not None or likely == "compute"
        return (
            (likely, f"{work} at least") if known else ("unknown", "nothing says how near it is to the device's limits")
        )
    reached = f"at {fraction:.0%} of {roof_of(bounds)}, {work}"
    if fraction >= NEAR_ROOFLINE or likely == "compute":
        return likely, reached
    if fraction <= FAR_FROM_ROOFLINE:
        return "latency", f"{reached}: neither memory nor arithmetic is busy"
    return "memory", f"{reached}: moved several times, or badly"


def _rejected(verdict: Verdict) -> tuple[Bottleneck, str]:
    reason = verdict.reason or "rejected"
    evidence = f"{reason}: {verdict.detail}" if verdict.detail else reason
    kind = reason.partition(".")[0]
    if kind in _DOES_NOT_BUILD:
        return "compile", evidence
    return ("unknown" if kind in _SAYS_NOTHING else "correctness"), evidence


def _profiled(profile: Profile | None) -> tuple[Bottleneck, str] | None:
    if profile is None or profile.bound == "unknown":
        return None
    evidence = profile.findings[0].evidence if profile.findings else f"bound by {profile.bound}"
    return profile.bound, f"{profile.profiler}: {evidence}"


def _intensity(description: Description) -> float:
    """Operations a compulsory byte, geometric mean over the cases where they are counted; 0 where they are not."""
    known = [case.flops / case.bytes_moved for case in description.cases if case.flops and case.bytes_moved]
    return math.exp(sum(map(math.log, known)) / len(known)) if known else 0.0
