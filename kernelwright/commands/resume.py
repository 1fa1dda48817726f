"""``kernelwright resume RUN``: go on with an interrupted run."""

from __future__ import annotations

from typing import Any

from kernelwright.api import resume, run_folder
from kernelwright.commands.optimize import show_outcome
from kernelwright.commands.show import load_view
from kernelwright.live import watching


def run(arguments: dict[str, Any]) -> int:
    """Answers like ``optimize``; the view goes on from what the log tells."""
    folder = run_folder(arguments["run"])
    with watching(load_view(folder)) as watcher:
        outcome = resume(folder, subscribers=(watcher,))
    show_outcome(outcome.to_json(), arguments.get("json", False))
    return outcome.exit_code
