"""``kernelwright doctor``: what this machine can run, with which isolation, and what is missing."""

from __future__ import annotations

from typing import Any

from kernelwright import exit_codes
from kernelwright.machine import survey_machine
from kernelwright.output import one_line, write, write_json

SCHEMA = "kernelwright.doctor/1"
_MARKS = {"ok": "ok     ", "warning": "warning", "missing": "MISSING"}


def run(arguments: dict[str, Any]) -> int:
    """One line a check; 0 when the main job (optimize, with the models of the settings) can run, else 3."""
    from agent.settings import AgentSettings

    as_json = arguments.pop("json", False)
    checks = survey_machine(AgentSettings.load(arguments))
    ready = all(check.status != "missing" for check in checks)
    if as_json:
        write_json({"schema": SCHEMA, "ready": ready, "checks": [check.to_json() for check in checks]})
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            mend = f" -> {check.mend}" if check.mend else ""
            write(f"{_MARKS[check.status]}  {check.name.ljust(width)}  {one_line(check.found + mend)}")
        write("ready" if ready else "not ready: mend what is MISSING above")
    return exit_codes.DONE if ready else exit_codes.INFRASTRUCTURE
