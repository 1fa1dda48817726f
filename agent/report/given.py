"""What people gave a run, as facts of its report: kernels to start from, requests while it went on, numbers to tune."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.asked import asked_text
from agent.events import Event
from agent.ledger import Ledger
from agent.report.facts import RequestFacts, StartFacts, TunedFacts
from agent.starting import starts_told

_TRY = ("number", "values", "speedup", "call_s", "reason")


def to_starts(ledger: Ledger, confirmed: str | None) -> tuple[StartFacts, ...]:
    """The user's own kernels, as far as they are judged; ``confirmed``: the champion, where it was."""
    return tuple(_start(told) for told in starts_told(ledger, confirmed) or ())


def to_requests(events: Sequence[Event]) -> tuple[RequestFacts, ...]:
    """In the order in which the run read them."""
    return tuple(
        RequestFacts(
            kind=str(event.data.get("kind", "")),
            said=asked_text(event.data),
            asked_at=str(event.data.get("asked_at", "")),
            elapsed_s=event.elapsed_s,
            refused=event.data.get("refused"),
        )
        for event in events
        if event.type == "steered"
    )


def to_tuned(ledger: Ledger) -> tuple[TunedFacts, ...]:
    """One for each candidate that left numbers open and was tuned."""
    return tuple(_tuned(ledger, data) for data in ledger.all("tuned"))


def _start(told: dict[str, Any]) -> StartFacts:
    interval = told["speedup_ci95"]
    return StartFacts(
        candidate=told["candidate"],
        name=told["strategy"],
        status=told["status"],
        reason=told["reason"],
        detail=told["detail"] or "",
        speedup=told["speedup"],
        ci95=None if interval is None else (interval[0], interval[1]),
        over=told["over_start"],
    )


def _tuned(ledger: Ledger, data: dict[str, Any]) -> TunedFacts:
    return TunedFacts(
        candidate=data["candidate"],
        winner=data.get("winner"),
        values=data.get("values"),
        before=data.get("before"),
        speedup=data.get("speedup"),
        tried=data["tried"],
        failed=data["failed"],
        ended_by=data["ended_by"],
        tries=tuple({name: one.get(name) for name in _TRY} for one in ledger.tries(data["candidate"])),
    )
