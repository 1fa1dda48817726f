"""What a report says, before anybody shows it: plain values, the same for the page, the Markdown and the JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

FACTS_SCHEMA = "kernelwright.report/2"

Fate = Literal["champion", "was best", "in the archive", "evicted", "accepted", "rejected"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class NodeFacts:
    """One judged candidate."""

    place: int
    """In the order of judging, from 1."""
    id: str
    parent: str | None
    fate: Fate
    """``evicted``: a faster candidate of its kind took its place in the archive of the policy *evolution*."""
    kind: str
    speedup: float | None
    ci95: Interval | None
    reason: str | None
    detail: str
    strategy: str
    lesson: str
    origin: str
    elapsed_s: float
    """Active seconds of the run when it had been judged."""
    tokens: int
    """Spent by then."""
    best_so_far: float | None
    """The speed-up of the fastest accepted candidate by then."""


@dataclass(frozen=True)
class RepeatFacts:
    """A proposal that was the same program as a candidate that was there: not judged."""

    candidate: str
    same_as: str
    parent: str | None
    strategy: str


@dataclass(frozen=True)
class CaseFacts:
    """One case of the champion's verdict."""

    name: str
    speedup: float
    ci95: Interval
    candidate_s: float
    """Median."""
    p5_s: float
    p95_s: float
    samples: int
    baseline: str
    """The fastest one."""
    baseline_s: float
    floor_s: float | None
    bound: str | None
    fraction: float | None
    """Of the floor, what the candidate reaches: at most 1."""


@dataclass(frozen=True)
class ProfileFacts:
    """What a profiler said of a candidate."""

    candidate: str
    profiler: str
    bound: str
    findings: tuple[dict[str, Any], ...]
    """kind, severity, evidence, advice; the worst first."""


@dataclass(frozen=True)
class StartFacts:
    """A kernel of the user's that the run started from."""

    candidate: str
    name: str
    """As it is told of: ``the user's own kernel (mine.py)``."""
    status: str
    """``accepted``, ``rejected`` or ``not_judged``; judged again where it was accepted and something was confirmed."""
    reason: str | None
    detail: str
    speedup: float | None
    """Over the best baseline."""
    ci95: Interval | None
    over: dict[str, Any] | None
    """The champion over it: speedup, speedup_ci95, faster, and why there is none. None where nobody compared them."""


@dataclass(frozen=True)
class RequestFacts:
    """What somebody asked of the run while it went on."""

    kind: str
    said: str
    """In words."""
    asked_at: str
    """UTC; empty where the request did not say."""
    elapsed_s: float
    """Active seconds of the run when it read it."""
    refused: str | None
    """Why it was not done; None for one that was."""


@dataclass(frozen=True)
class TunedFacts:
    """What became of the numbers that a candidate left open. Speed-ups here are of quick measurements, no verdicts."""

    candidate: str
    winner: str | None
    """The candidate with the numbers that were chosen; None where the defaults stayed."""
    values: dict[str, Any] | None
    """Those numbers."""
    before: float | None
    speedup: float | None
    tried: int
    failed: int
    ended_by: str
    tries: tuple[dict[str, Any], ...]
    """number, values, speedup (None: it failed), call_s, reason; in order, the defaults first."""


@dataclass(frozen=True)
class LessonFacts:
    """Something that was learned, and the first candidate that taught it."""

    candidate: str
    bottleneck: str
    lesson: str
    times: int


@dataclass(frozen=True)
class CostFacts:
    """What a run took."""

    active_s: float
    where: dict[str, float]
    """Active seconds by what they went into; together they are ``active_s``."""
    judging: dict[str, float]
    """Seconds of the judgements by stage."""
    tokens: int
    cost_usd: float | None
    """None when some of it is unknown."""
    calls: int
    """Of models."""
    calls_s: float
    """What those took, side by side or not."""
    models: tuple[dict[str, Any], ...]
    """model, tokens, cost_usd."""


@dataclass(frozen=True)
class SourceFacts:
    """The champion's source beside what it came from; None where that was not kept, or there is none."""

    champion: str | None
    parent: str | None
    reference: str | None
    parent_diff: str | None
    reference_diff: str | None


@dataclass(frozen=True)
class Report:
    """Everything."""

    run_id: str
    problem: str
    target: str
    language: str
    model: str
    policy: str
    version: str
    began: str
    """UTC."""
    status: str
    """An outcome's, or ``unfinished``."""
    headline: str
    """The verdict in one sentence."""
    message: str
    stop_reason: str | None
    champion: str | None
    verdict: dict[str, Any] | None
    """The champion's, without its logs: the one that confirmed it, where one did."""
    confirmed: bool
    machine: dict[str, str]
    baselines: dict[str, float]
    nodes: tuple[NodeFacts, ...]
    repeats: tuple[RepeatFacts, ...]
    refusals: tuple[str, ...]
    unjudged: int
    """Judgements that failed for want of infrastructure; they are held against nobody."""
    cases: tuple[CaseFacts, ...]
    starts: tuple[StartFacts, ...]
    tuned: tuple[TunedFacts, ...]
    requests: tuple[RequestFacts, ...]
    profiles: tuple[ProfileFacts, ...]
    lessons: tuple[LessonFacts, ...]
    reasons: dict[str, int]
    """Why candidates were rejected, and how many of them."""
    costs: CostFacts
    sources: SourceFacts

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with its schema."""
        return {"schema": FACTS_SCHEMA, **asdict(self)}
