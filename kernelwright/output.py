"""Standard output and standard error, the only way to them: whole objects, one-line errors, closed pipes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from tools.full_disk import is_full

ERROR_SCHEMA = "kernelwright.error/1"


def write(text: str) -> None:
    """One text and a newline on standard output. A reader that left early is no error of ours."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain again when it flushes at exit, so nothing may be left to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_json(value: dict[str, Any]) -> None:
    """Exactly one JSON object on standard output; not-a-number becomes null, as JSON has none."""
    try:
        text = json.dumps(value, indent=2, allow_nan=False, default=str)
    except ValueError:
        text = json.dumps(_finite(value), indent=2, allow_nan=False, default=str)
    write(text)


def note(text: str, prefix: str = "") -> None:
    """One line on standard error; lost without complaint when nobody reads it. ``prefix`` keeps its blanks."""
    try:
        sys.stderr.write(prefix + one_line(text) + "\n")
        sys.stderr.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    except OSError as error:
        if not is_full(error):  # the log of a detached run, on a full disk: the run waits for space, its lines do not
            raise


def fail(kind: str, message: str, as_json: bool) -> None:
    """Tell an error: one line on standard error, and the error object when JSON was asked for."""
    note(f"kernelwright: {message}")
    if as_json:
        write_json({"schema": ERROR_SCHEMA, "error": {"kind": kind, "message": one_line(message)}})


def one_line(text: str) -> str:
    """Line breaks and runs of blanks become one blank; what a terminal would obey is dropped."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


def table(rows: Sequence[Sequence[str]], header: Sequence[str] = ()) -> str:
    """Columns aligned with blanks, two between them; numbers are the caller's to format."""
    lines = [list(header), *map(list, rows)] if header else [list(row) for row in rows]
    if not lines:
        return ""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    if header:
        text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
