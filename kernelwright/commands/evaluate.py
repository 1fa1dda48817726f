"""``kernelwright evaluate PROBLEM CANDIDATE``: judge one candidate file."""

from __future__ import annotations

from typing import Any

from kernelwright import exit_codes
from kernelwright.api import evaluate
from kernelwright.live import telling
from kernelwright.output import table, write, write_json
from kernelwright.wording import verdict_rows

_CODES = {
    "accepted": exit_codes.DONE,
    "rejected": exit_codes.NOT_BETTER,
    "infrastructure_error": exit_codes.INFRASTRUCTURE,
}


def run(arguments: dict[str, Any]) -> int:
    """Judge, showing progress; print the verdict; 0 accepted, 1 rejected, 3 could not be judged."""
    as_json = arguments.pop("json", False)
    problem, candidate = arguments.pop("problem"), arguments.pop("candidate")
    with telling() as notice:
        verdict = evaluate(problem, candidate, notice=notice, **arguments)
    data = verdict.to_json()
    if as_json:
        write_json(data)
    else:
        write(table(verdict_rows(data)))
        if data["status"] != "accepted" and verdict.log:
            write("\n" + verdict.log.rstrip())
    return _CODES[verdict.status]
