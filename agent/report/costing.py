"""What a run took: active seconds and where they went, tokens, dollars."""

from __future__ import annotations

from collections.abc import Sequence

from agent.events import Event
from agent.ledger import Ledger
from agent.outcome import Outcome
from agent.report.facts import CostFacts

PREPARING = "describing the problem, baselines, recalling"
JUDGING = "judging candidates"
CONFIRMING = "confirming the champion"
WRITING = "writing candidates and the rest"


def to_costs(ledger: Ledger, events: Sequence[Event], outcome: Outcome | None) -> CostFacts:
    """From the log; the totals are the outcome's where there is one."""
    usage = ledger.usage()
    calls = [event.data for event in events if event.type == "model_call"]
    stages: dict[str, float] = {}
    for data in ledger.all("judged"):
        for name, value in (data["verdict"].get("stage_seconds") or {}).items():
            stages[name] = stages.get(name, 0.0) + value
    active_s = outcome.elapsed_s if outcome is not None else (events[-1].elapsed_s if events else 0.0)
    return CostFacts(
        active_s=active_s,
        where=_where(events, active_s),
        judging=stages,
        tokens=usage.tokens if outcome is None else outcome.tokens,
        cost_usd=usage.cost_usd if outcome is None else outcome.cost_usd,
        calls=len(calls),
        calls_s=sum(data.get("seconds") or 0.0 for data in calls),
        models=tuple(
            {"model": model, "tokens": paid.tokens, "cost_usd": paid.cost_usd}
            for model, paid in ledger.usage_by_model().items()
        ),
    )


def tokens_over_time(events: Sequence[Event]) -> list[int]:
    """Spent when each event had happened: by calls as they end, corrected when their proposal does."""
    calls: dict[object, int] = {}
    settled, open_, spent = 0, 0, []
    for event in events:
        data = event.data
        slot = (data.get("round"), data.get("slot"))
        if event.type == "model_call":
            tokens = (data.get("tokens_in") or 0) + (data.get("tokens_out") or 0)
            calls[slot] = calls.get(slot, 0) + tokens
            open_ += tokens
        elif event.type == "proposed":
            counted = calls.pop(slot, 0)
            open_ -= counted
            settled += max(counted, data.get("tokens") or 0)
        spent.append(settled + open_)
    return spent


def _where(events: Sequence[Event], active_s: float) -> dict[str, float]:
    """Each active second once: what is neither judging nor confirming nor before the search is writing."""
    first = next((event.elapsed_s for event in events if event.type == "round_started"), None)
    judging = sum(event.data.get("seconds") or 0.0 for event in events if event.type == "judged")
    confirming, begun = 0.0, None
    for event in events:
        if event.type == "confirming":
            begun = event.elapsed_s
        elif event.type in ("confirmed", "resumed", "interrupted") and begun is not None:
            confirming += event.elapsed_s - begun
            begun = None
    preparing = active_s if first is None else first
    if first is not None:
        # Candidates that memory offered are judged before the first round.
        preparing -= sum(_seconds(event) for event in events if event.type == "judged" and event.elapsed_s < first)
    parts = {PREPARING: preparing, JUDGING: judging, CONFIRMING: confirming}
    return {**parts, WRITING: max(0.0, active_s - sum(parts.values()))}


def _seconds(event: Event) -> float:
    return float(event.data.get("seconds") or 0.0)
