"""``kernelwright watch RUN``: what a run or a plan does, followed from another terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelwright import exit_codes
from kernelwright.api import find_plan_or_run
from kernelwright.commands.optimize import show_outcome
from kernelwright.commands.run import show_plan
from kernelwright.detaching import is_attended
from kernelwright.following import Tail, follow
from kernelwright.live import watching
from kernelwright.output import note

if TYPE_CHECKING:
    from agent.events import Event
    from agent.plans.folder import PlanFolder


def run(arguments: dict[str, Any]) -> int:
    """Follow it; at its end answer like ``optimize`` or ``run``. Leaving changes nothing for who works."""
    plan, folder = find_plan_or_run(arguments["run"])
    as_json = arguments.get("json", False)
    return _watch_run(folder, as_json) if plan is None else _watch_plan(plan, as_json)


def _watch_run(folder: Path, as_json: bool) -> int:
    from agent.outcome import Outcome
    from agent.runs import finished_outcome

    log = Tail(folder / "events.jsonl")
    with watching() as watcher:
        for event in follow(log.read, _ends_a_run, lambda: is_attended(folder)):
            watcher(event)
    finished = finished_outcome(folder / "events.jsonl")
    if finished is None:
        note(f"nobody works on it: kernelwright resume {folder.name} goes on")
        return exit_codes.INTERRUPTED
    outcome = Outcome.from_json(finished).at(folder)
    show_outcome(outcome.to_json(), as_json)
    return outcome.exit_code


def _watch_plan(plan: PlanFolder, as_json: bool) -> int:
    from agent.plans.outcome import read_outcome
    from kernelwright.plan_view import PlanWatcher

    own, entries = Tail(plan.events), plan.plan().entries
    runs = [Tail(plan.run(entry.name) / "events.jsonl") for entry in entries]
    mine: set[int] = set()

    def read() -> list[Event]:
        found = [event for one in runs for event in one.read()]
        events = own.read()
        mine.update(map(id, events))
        # In the order of their times; at its end a plan's own word comes last.
        return sorted([*found, *events], key=lambda event: event.time)

    told = PlanWatcher(len(entries))
    with watching() as watcher:
        for event in follow(read, _ends_a_plan, lambda: is_attended(plan.path)):
            if id(event) in mine:
                mine.discard(id(event))
                told(event)
            else:
                watcher(event)
    outcome = read_outcome(plan)
    show_plan(outcome, as_json)
    return outcome.exit_code


def _ends_a_run(event: Event) -> bool:
    return event.type in ("run_finished", "interrupted")


def _ends_a_plan(event: Event) -> bool:
    return event.type in ("plan_finished", "plan_interrupted")
