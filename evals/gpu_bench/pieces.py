"""A piece: what one command measured, a JSON object a line, written row by row.

GPUs are to be had for minutes at a time, and a command may be killed at any moment: what was finished by then is in
its file. The first line says on what machine and how; the others are rows. Several pieces are merged into one page.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from evals.errors import ResultsError

SCHEMA: Final = "kernelwright.gpu_bench_piece/1"
Row = dict[str, Any]
"""``part`` and ``name`` say which; ``error`` is there if there is no result, and says why."""
TASK: Final = "task"
"""The part of rows that say how long something took as a whole, whatever came of it."""


@dataclass(frozen=True)
class Piece:
    """What was read of a file."""

    machine: dict[str, Any]
    """Device, driver and versions: rows are comparable where these are equal."""
    run: dict[str, Any]
    """Command and date."""
    rows: list[Row]


class PieceFile:
    """A piece being written."""

    def __init__(self, path: Path, machine: Mapping[str, Any], run: Mapping[str, Any]) -> None:
        """Raises ResultsError if it cannot be made, or is there already."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("x", encoding="utf-8")
        except OSError as error:
            raise ResultsError(f"cannot write {path}: {error.strerror}") from error
        self._write({"schema": SCHEMA, "machine": dict(machine), "run": dict(run)})

    def add(self, row: Row) -> None:
        """Written when this returns."""
        self._write(row)

    def _write(self, data: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(data) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Nothing is added any more."""
        self._file.close()


def read_piece(path: Path) -> Piece:
    """Raises ResultsError for what is no piece. A last line that a kill cut off is left out."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"cannot read {path}: {error}") from error
    whole = [line for line in lines[:-1] if line]
    try:
        head, *rows = [json.loads(line) for line in whole]
    except ValueError as error:
        raise ResultsError(f"{path} is no piece of a benchmark: {error}") from error
    if not isinstance(head, dict) or head.get("schema") != SCHEMA:
        raise ResultsError(f"{path} is no piece of a benchmark: its first line has no schema {SCHEMA}")
    return Piece(head["machine"], head["run"], rows)


def read_pieces(places: Iterable[Path]) -> list[Piece]:
    """Of files, and of all ``*.jsonl`` in folders, the earliest first. Raises ResultsError."""
    files: list[Path] = []
    for place in places:
        files += sorted(place.rglob("*.jsonl")) if place.is_dir() else [place]
    pieces = [read_piece(path) for path in dict.fromkeys(path.resolve() for path in files)]
    return sorted(pieces, key=lambda piece: str(piece.run.get("began")))


@dataclass(frozen=True)
class Merged:
    """Several pieces as one."""

    machines: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    rows: dict[str, list[Row]] = field(default_factory=dict)
    """By part, in order of their first appearance; ``machine`` is an index, ``times`` how often there was a result."""
    tasks: list[Row] = field(default_factory=list)

    def of(self, part: str) -> list[Row]:
        """Its rows, none if it was not run."""
        return self.rows.get(part, [])

    @property
    def differences(self) -> dict[str, list[Any]]:
        """What the machines do not agree in: name to the value of each."""
        names = dict.fromkeys(name for machine in self.machines for name in machine)
        values = {name: [machine.get(name) for machine in self.machines] for name in names}
        return {name: found for name, found in values.items() if any(value != found[0] for value in found)}


def merge(pieces: Sequence[Piece]) -> Merged:
    """The last result of a row counts; a failure only where there is no result."""
    machines: list[dict[str, Any]] = []
    latest: dict[tuple[str, str], Row] = {}
    tasks: list[Row] = []
    for piece in pieces:
        if piece.machine not in machines:
            machines.append(piece.machine)
        for row in piece.rows:
            if row["part"] == TASK:
                tasks.append(row)
                continue
            key = (row["part"], row["name"])
            before = latest.get(key)
            times = (before["times"] if before else 0) + ("error" not in row)
            newer = row if before is None or "error" not in row or "error" in before else before
            latest[key] = {**newer, "machine": newer.get("machine", machines.index(piece.machine)), "times": times}
    rows: dict[str, list[Row]] = {}
    for (part, _), row in latest.items():
        rows.setdefault(part, []).append(row)
    return Merged(machines, [piece.run for piece in pieces], rows, tasks)


def finished(pieces: Iterable[Piece]) -> set[tuple[str, str]]:
    """Part and name of every row that has a result."""
    return {(row["part"], row["name"]) for piece in pieces for row in piece.rows if "error" not in row}
