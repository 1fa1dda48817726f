"""``kernelwright resume RUN``: go on with an interrupted run."""

from __future__ import annotations

from typing import Any

from kernelwright.api import resume
from kernelwright.commands.optimize import show_outcome
from kernelwright.live import watching


def run(arguments: dict[str, Any]) -> int:
    """Answers like ``optimize``."""
    with watching() as watcher:
        outcome = resume(arguments["run"], subscribers=(watcher,))
    show_outcome(outcome.to_json(), arguments.get("json", False))
    return outcome.exit_code
