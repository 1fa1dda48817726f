"""``kernelwright optimize PROBLEM``: the main job."""

from __future__ import annotations

from typing import Any

from kernelwright.api import optimize, prepare
from kernelwright.closing import closing_table
from kernelwright.live import watching
from kernelwright.output import write, write_json


def run(arguments: dict[str, Any]) -> int:
    """Optimize, showing progress; print the outcome; 0 improved, 1 not."""
    as_json = arguments.pop("json", False)
    problem, start = arguments.pop("problem"), arguments.pop("start", ())
    if arguments.pop("detach", False):
        from kernelwright.commands.run import show_detached

        return show_detached(prepare(problem, start=start, **to_settings(arguments)), as_json)
    with watching() as watcher:
        outcome = optimize(problem, start=start, subscribers=(watcher,), **to_settings(arguments))
    show_outcome(outcome.to_json(), as_json)
    return outcome.exit_code


def show_outcome(outcome: dict[str, Any], as_json: bool) -> None:
    """The closing table, or the outcome itself."""
    if as_json:
        write_json(outcome)
    else:
        write("\n" + closing_table(outcome))


def to_settings(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments as settings: the negative switches turned round."""
    settings = dict(arguments)
    for switch in ("memory", "streaming", "stop_at_floor", "profiler"):
        if settings.pop(f"no_{switch}", False):
            settings[switch] = False
    return settings
