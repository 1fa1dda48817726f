"""When to stop: pure arithmetic on what was spent and what was reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.settings import AgentSettings

StopReason = Literal[
    "max_candidates",
    "max_seconds",
    "deadline",
    "max_tokens",
    "max_cost",
    "enough_tokens",
    "stall",
    "target_speedup",
    "target_roofline",
    "at_floor",
    "exhausted",
    "needs_language_model",
    "model_unavailable",
    "request",
]
"""``at_floor``: nothing is left to win; ``exhausted``: several rounds in a row brought no candidate that was new;
``request``: somebody had seen enough.
"""

BARREN_ROUNDS = 3
"""Rounds in a row without a new candidate before a run counts as exhausted."""
BARREN_SAMPLES = 30
"""The same of replies asked for without tools: that one came to nothing says little of the next."""
CONFIRMATION_COST = 3.0
"""What a confirmation takes, in judgements: twice the blocks, more seeds, new processes. Measured: 1.8 to 3.0
(docs/results/2026-11-28-cost-pairs-survival.md), and more beside others' work.
"""


@dataclass(frozen=True)
class Spent:
    """What a run has used up and reached so far."""

    candidates: int = 0
    """Judged."""
    elapsed_s: float = 0.0
    to_deadline_s: float | None = None
    """Until the deadline, by the clock on the wall; None without one."""
    tokens: int = 0
    cost_usd: float | None = None
    """None when unknown; then a bound on dollars cannot hold."""
    judging_s: float = 0.0
    """What one judgement takes, as a mean; 0 while none is known."""
    since_better: int = 0
    """Candidates judged since the champion last changed."""
    barren_rounds: int = 0
    speedup: float | None = None
    """The champion's."""
    roofline_fraction: float | None = None
    """Of its floor, what the champion reaches."""
    at_floor: bool = False
    """Whether nothing is left to win beyond the champion, for certain."""
    asked_to_finish: bool = False
    """By a person: nothing more is to be judged."""
    reserve_s: float = 0.0
    """Seconds to keep for the confirmation."""


def confirmation_reserve_s(judging_s: float, *, has_champion: bool) -> float:
    """Seconds to keep back for confirming a champion; none while there is nothing to confirm."""
    return CONFIRMATION_COST * judging_s if has_champion else 0.0


def stop_before_judging(settings: AgentSettings, spent: Spent) -> StopReason | None:
    """Why one more candidate may not be judged, or None."""
    if spent.asked_to_finish:
        return "request"
    if spent.candidates >= settings.max_candidates:
        return "max_candidates"
    # Begin nothing that would not be done in time: a judgement is seldom much shorter than the mean.
    needed_s = spent.judging_s + spent.reserve_s
    if spent.elapsed_s + needed_s >= settings.max_seconds:
        return "max_seconds"
    if spent.to_deadline_s is not None and needed_s >= spent.to_deadline_s:
        return "deadline"
    return None


def stop_before_round(settings: AgentSettings, spent: Spent) -> StopReason | None:
    """Why no further round may begin, or None. Success is named before exhaustion."""
    if settings.target_speedup is not None and (spent.speedup or 0.0) >= settings.target_speedup:
        return "target_speedup"
    if settings.target_roofline is not None and (spent.roofline_fraction or 0.0) >= settings.target_roofline:
        return "target_roofline"
    if settings.stop_at_floor and spent.at_floor:
        return "at_floor"
    if reason := stop_before_judging(settings, spent):
        return reason
    if settings.max_tokens is not None and spent.tokens >= settings.max_tokens:
        return "max_tokens"
    if settings.max_cost is not None and (spent.cost_usd or 0.0) >= settings.max_cost:
        return "max_cost"
    if settings.enough_tokens is not None and spent.tokens >= settings.enough_tokens:
        return "enough_tokens"
    if spent.since_better >= settings.stall:
        return "stall"
    if spent.barren_rounds >= (BARREN_SAMPLES if settings.asking == "once" else BARREN_ROUNDS):
        return "exhausted"
    return None
