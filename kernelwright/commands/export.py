"""``kernelwright export RUN``: a run's champion, a drop-in file that needs nothing of ours."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from kernelwright import exit_codes
from kernelwright.api import run_folder
from kernelwright.output import note, write, write_json
from tools.errors import RequestError

SCHEMA = "kernelwright.export/1"


def run(arguments: dict[str, Any]) -> int:
    """Print the source, or write it to ``--to FILE``; 1 where the run found nothing better."""
    from agent.runs import run_status

    folder = run_folder(arguments["run"])
    best = folder / "best.py"
    if not best.is_file():
        status = run_status(folder)["status"]
        if status in {"running", "interrupted"}:
            raise RequestError(
                f"run {arguments['run']} is {status} and has no champion yet: "
                f"kernelwright resume {arguments['run']} finishes it"
            )
        note(f"kernelwright: run {arguments['run']} ended without a champion ({status})")
        if arguments.get("json"):
            write_json({"schema": SCHEMA, "path": None, "source": None})
        return exit_codes.NOT_BETTER
    source = best.read_text(encoding="utf-8")
    target = arguments.get("to")
    if target is not None:
        _write_whole(Path(target), source)
    if arguments.get("json"):
        path = best if target is None else Path(target).absolute()
        write_json({"schema": SCHEMA, "path": str(path), "source": source})
    else:
        write(source.rstrip() if target is None else f"written to {target}")
    return exit_codes.DONE


def _write_whole(path: Path, text: str) -> None:
    """A whole file or the old one. Raises RequestError."""
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise RequestError(f"cannot write {path}: {error.strerror}: give another path with --to") from error
