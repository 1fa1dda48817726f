"""``kernelwright pause``, ``go-on``, ``stop``, ``finish``: speak to a run or a plan from another terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kernelwright import exit_codes
from kernelwright.api import find_plan_or_run
from kernelwright.output import write, write_json
from tools.errors import RequestError

SCHEMA = "kernelwright.asked/1"
_SAID = {
    "pause": "it is held after what it is doing",
    "go_on": "it goes on",
    "stop": "it stops at the next step, the state is kept",
    "finish": "the best so far is confirmed, and it ends",
}


def run(arguments: dict[str, Any]) -> int:
    """Write the request; whoever works on it obeys at the next step."""
    from agent.control import ask
    from agent.events import is_locked

    kind = arguments["kind"]
    plan, folder = find_plan_or_run(arguments["run"])
    asked: list[Path] = []
    if plan is not None:
        from agent.plans.outcome import read_outcome

        # The plan hears it first: a run that stops before its plan knows why would be taken for one that was stopped.
        asked += [folder] if plan.is_going_on else []
        asked += [
            plan.run(row.name) for row in read_outcome(plan).entries if is_locked(plan.run(row.name) / "events.jsonl")
        ]
    elif is_locked(folder / "events.jsonl"):
        asked.append(folder)
    if not asked:
        raise RequestError(f"nobody works on {arguments['run']}: kernelwright resume {folder.name} goes on with it")
    for one in asked:
        ask(one, kind)
    if arguments.get("json"):
        write_json({"schema": SCHEMA, "kind": kind, "folder": str(folder)})
    else:
        write(f"{folder.name}: {_SAID[kind]}")
    return exit_codes.DONE
