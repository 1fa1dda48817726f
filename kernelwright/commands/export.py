"""``kernelwright export RUN``: a run's champion, or what runs said and did as training data."""

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
DATA_SCHEMA = "kernelwright.training-data/1"
_OF_DATA = {"out": "--out", "with_rejected": "--with-rejected", "with_cheats": "--with-cheats"}


def run(arguments: dict[str, Any]) -> int:
    """Without ``--format`` the champion of one run, with it the conversations of all; 1 where there is none."""
    if "format" in arguments:
        return _export_data(arguments)
    for name, flag in _OF_DATA.items():
        if name in arguments:
            raise RequestError(f"{flag} is about training data: say which with --format, or use --to for the champion")
    if len(arguments["runs"]) > 1:
        raise RequestError("a champion is exported from one run at a time; --format takes several")
    return _export_champion(arguments["runs"][0], arguments.get("to"), as_json=arguments.get("json", False))


def _export_champion(name: str, target: str | None, *, as_json: bool) -> int:
    """Print the source, or write it to ``target``; 1 where the run found nothing better."""
    from agent.runs import run_status

    folder = run_folder(name)
    best = folder / "best.py"
    if not best.is_file():
        status = run_status(folder)["status"]
        if status in {"running", "interrupted"}:
            raise RequestError(
                f"run {name} is {status} and has no champion yet: kernelwright resume {name} finishes it"
            )
        note(f"kernelwright: run {name} ended without a champion ({status})")
        if as_json:
            write_json({"schema": SCHEMA, "path": None, "source": None})
        return exit_codes.NOT_BETTER
    source = best.read_text(encoding="utf-8")
    if target is not None:
        _write_whole(Path(target), source, "--to")
    if as_json:
        path = best if target is None else Path(target).absolute()
        write_json({"schema": SCHEMA, "path": str(path), "source": source})
    else:
        write(source.rstrip() if target is None else f"written to {target}")
    return exit_codes.DONE


def _export_data(arguments: dict[str, Any]) -> int:
    """Print the lines, or write them to ``--out FILE``; 1 where the runs have none to give."""
    from agent.trajectories.exporting import export_rows, to_lines

    if "to" in arguments:
        raise RequestError("--to is about a champion: give training data's file with --out")
    form, rejected, cheats = arguments["format"], "with_rejected" in arguments, "with_cheats" in arguments
    if form != "sft" and (rejected or cheats):
        raise RequestError(f"--with-rejected and --with-cheats are about sft: {form} has the rejected ones anyhow")
    folders = [run_folder(name) for name in arguments["runs"]]
    rows = export_rows(form, folders, with_rejected=rejected, with_cheats=cheats)
    target = arguments.get("out")
    if target is not None:
        _write_whole(Path(target), to_lines(rows), "--out")
    if arguments.get("json"):
        where = {"rows": rows} if target is None else {"path": str(Path(target).absolute())}
        write_json({"schema": DATA_SCHEMA, "format": form, "count": len(rows), **where})
    elif target is not None:
        write(f"{len(rows)} {'row' if len(rows) == 1 else 'rows'} written to {target}")
    elif rows:
        write(to_lines(rows).rstrip("\n"))
    if not rows:
        note(f"kernelwright: nothing to export as {form}")
    return exit_codes.DONE if rows else exit_codes.NOT_BETTER


def _write_whole(path: Path, text: str, flag: str) -> None:
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
        raise RequestError(f"cannot write {path}: {error.strerror}: give another path with {flag}") from error
