"""``kernelwright resume RUN``: go on with an interrupted run or plan."""

from __future__ import annotations

from typing import Any

from kernelwright.api import find_plan_or_run, resume
from kernelwright.commands.optimize import show_outcome
from kernelwright.commands.run import show_detached, work
from kernelwright.commands.show import load_view
from kernelwright.live import watching


def run(arguments: dict[str, Any]) -> int:
    """Answers like ``optimize`` or ``run``; the view goes on from what the log tells."""
    plan, folder = find_plan_or_run(arguments["run"])
    as_json = arguments.get("json", False)
    if arguments.get("detach"):
        return show_detached(folder, as_json)
    if plan is not None:
        return work(plan, as_json)
    with watching(load_view(folder)) as watcher:
        outcome = resume(folder, subscribers=(watcher,))
    show_outcome(outcome.to_json(), as_json)
    return outcome.exit_code
