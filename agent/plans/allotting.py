"""Who comes next, and how much of the plan's budget is its: pure arithmetic.

What an operator has no budget of its own for, it shares with those that are still to begin; what one leaves over the
others get. A run that was cut short keeps what it was given until it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.plans.events import PlanState
from agent.plans.plan import Budget, Entry, Plan

LEAST_S = 1.0
"""Nothing comes of a run that is given less."""
CLOSE_CALL_SHARE = 0.2
"""Of its seconds, what a run keeps for measuring on where a confirmation came out ambiguous (at most
``tools.problem.CLOSE_CALL_S``): within its seconds, where a single run takes it on top."""


@dataclass(frozen=True)
class Spent:
    """By one run."""

    seconds: float = 0.0
    tokens: int = 0
    dollars: float = 0.0
    candidates: int = 0


@dataclass(frozen=True)
class Refusal:
    """Why an entry does not begin any more."""

    reason: str
    """``deadline``, or the bound that is used up: ``seconds``, ``tokens``, ``dollars``, ``candidates``."""


def next_entry(plan: Plan, state: PlanState) -> Entry | None:
    """A run that was cut short first; then by priority, deadline and place; what failed once comes last."""

    def rank(place: int) -> tuple[object, ...]:
        entry = plan.entries[place]
        known = state.entry(entry.name)
        due = entry.deadline.timestamp() if entry.deadline else float("inf")
        return not known.is_open, known.attempts, -entry.priority, due, place

    left = [place for place, entry in enumerate(plan.entries) if not state.entry(entry.name).is_done]
    return plan.entries[min(left, key=rank)] if left else None


def allot(plan: Plan, state: PlanState, entry: Entry, spent: Mapping[str, Spent], *, now: float) -> Budget | Refusal:
    """The bounds of an entry that begins; ``spent``: of every run, ended or not; ``now``: seconds since 1970."""
    due = [when.timestamp() - now for when in (plan.deadline, entry.deadline) if when is not None]
    if due and min(due) <= LEAST_S:
        return Refusal("deadline")
    waiting = [one for one in plan.entries if _has_not_begun(state, one)]
    shares = {
        name: _share(plan, state, waiting, spent, entry, name)
        for name in ("seconds", "tokens", "dollars", "candidates")
    }
    if shares["seconds"] is None and due:
        shares["seconds"] = min(due) / len(waiting)
    for name, share in shares.items():
        least = {"seconds": LEAST_S, "dollars": 1e-9}.get(name, 1)
        if share is not None and share < least:
            return Refusal(name)
    seconds = shares["seconds"]
    return Budget(
        seconds=seconds if seconds is None or not due else min(seconds, *due),
        tokens=None if shares["tokens"] is None else int(shares["tokens"]),
        dollars=shares["dollars"],
        candidates=None if shares["candidates"] is None else int(shares["candidates"]),
    )


def _has_not_begun(state: PlanState, entry: Entry) -> bool:
    known = state.entry(entry.name)
    return known.limits is None and not known.is_done


def _share(
    plan: Plan, state: PlanState, waiting: Sequence[Entry], spent: Mapping[str, Spent], entry: Entry, name: str
) -> float | None:
    own, total = getattr(entry.budget, name), getattr(plan.budget, name)
    if total is None:
        return None if own is None else float(own)
    left = total - sum(_committed(plan, state, one, spent, name) for one in plan.entries)
    if own is not None:
        return float(min(own, left))
    # Those with a budget of their own, which comes first, take no share.
    promised = sum(getattr(one.budget, name) or 0.0 for one in waiting)
    sharing = [one for one in waiting if getattr(one.budget, name) is None]
    share = max(0.0, left - promised) / len(sharing)
    # Bounds that are counted are not worth splitting into nothing.
    return float(min(left, max(1.0, share))) if name in ("tokens", "candidates") else float(share)


def _committed(plan: Plan, state: PlanState, entry: Entry, spent: Mapping[str, Spent], name: str) -> float:
    """What a run has spent, or may yet spend."""
    known, used = state.entry(entry.name), float(getattr(spent.get(entry.name, Spent()), name))
    if known.limits is None or known.is_done:
        return used
    return max(used, float(getattr(known.limits, name) or 0.0))
