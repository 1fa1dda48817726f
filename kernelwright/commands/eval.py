"""``kernelwright eval SUITE``: run a suite of problems and score the agent."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from kernelwright.commands.optimize import to_settings
from kernelwright.live import watching
from kernelwright.output import note, write, write_json


def run(arguments: dict[str, Any]) -> int:
    """Run it, or go on where the same results folder was left; print the report."""
    from agent.settings import AgentSettings
    from evals.runner import run_suite
    from evals.suite import load_suite

    as_json = arguments.pop("json", False)
    name, out = arguments.pop("suite"), arguments.pop("out", None)
    suite = load_suite(name)
    settings = AgentSettings.load(to_settings(arguments))
    folder = Path(out or f"eval-{suite.name}").absolute()
    with watching() as watcher:
        report = run_suite(
            suite,
            settings,
            folder,
            notice=note,
            subscribers=(watcher,),
            command=_spelled(name, out, arguments),
        )
    if as_json:
        write_json(report.to_json())
    else:
        write(report.to_markdown().rstrip())
        note(f"results: {folder}")
    return report.exit_code


def _spelled(name: str, out: str | None, arguments: dict[str, Any]) -> str:
    """The command line that would do this again, for the report."""
    words = ["kernelwright", "eval", name]
    for option, value in {**arguments, "out": out}.items():
        if value is not None:
            words += [f"--{option.replace('_', '-')}", *([] if value is True else [str(value)])]
    return shlex.join(words)
