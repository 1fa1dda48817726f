"""Whole runs of the toy search, for tests of several subjects: how they are begun, and what their logs say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent.events import Event, read_events
from agent.run import Outcome, Seams, optimize
from tools.fake_judge import FakeJudge
from tools.verdict import Verdict

INFRASTRUCTURE = Verdict(status="infrastructure_error", reason="infrastructure.sandbox", detail="it broke")


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def listed(values: list[int | None], toy: Any):
    """Proposes the values one after another, by round and slot; nothing more after the last."""

    def propose(task: Any, **_: Any) -> Any:
        index = task.round * 2 + task.slot
        return toy.proposal(values[index] if index < len(values) else None)

    return propose


def run(toy, home: Path, judge: FakeJudge, propose, subscribers=(), seams=None, **settings) -> Outcome:
    seams = {"judge": judge, "propose": propose, "model": object(), **(seams or {})}
    settings = {"memory": False, "max_candidates": 12, **settings}
    return optimize(toy.PROBLEM, toy.settings(home, **settings), subscribers=subscribers, seams=Seams(**seams))


def events_of(outcome: Outcome, *types: str) -> list[Event]:
    return [event for event in read_events(Path(outcome.run_dir) / "events.jsonl") if event.type in types]
