"""``kernelwright report RUN``: the report a finished run left."""

from __future__ import annotations

from typing import Any

from kernelwright import exit_codes
from kernelwright.api import run_folder
from kernelwright.output import write, write_json
from tools.errors import RequestError

SCHEMA = "kernelwright.report/1"


def run(arguments: dict[str, Any]) -> int:
    """Print the Markdown."""
    path = run_folder(arguments["run"]) / "report.md"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RequestError(
            f"run {arguments['run']} has no report yet: kernelwright resume {arguments['run']} finishes it"
        ) from error
    if arguments.get("json"):
        write_json({"schema": SCHEMA, "path": str(path), "report": text})
    else:
        write(text.rstrip())
    return exit_codes.DONE
