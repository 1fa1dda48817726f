"""The runs there are: listed from the index, found by id, told from their logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.events import is_locked
from agent.settings import default_home
from tools.errors import RequestError

_TAIL_BYTES = 256 << 10
_DECISIVE = {"run_started", "resumed", "interrupted", "run_finished"}


def list_runs(home: Path | None = None) -> list[dict[str, Any]]:
    """Runs in the index, newest first: run_id, started_at, status, problem, target, language, model, path ...

    ``status`` is an outcome's, or ``running``, or ``missing`` where the folder is gone. ``speedup`` is the
    confirmed one, null without improvement.
    """
    found = []
    for entry in sorted(((home or default_home()) / "index").glob("*.json"), reverse=True):
        try:
            info = json.loads(entry.read_text(encoding="utf-8"))
            path = Path(info["path"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # an entry nobody can read leads nowhere; the run itself is not lost
        found.append({**info, **run_status(path)})
    return sorted(found, key=lambda info: (info["started_at"], info["run_id"]), reverse=True)


def find_run(name: str | Path, home: Path | None = None) -> Path:
    """The folder of a run, given by that folder, its id or a unique beginning of it. Raises RequestError."""
    path = Path(name).expanduser()
    if (path / "run.json").is_file():
        return path.absolute()
    text = str(name)
    entries = sorted(((home or default_home()) / "index").glob("*.json"))
    matches = [entry for entry in entries if text and entry.stem.startswith(text)]
    exact = [entry for entry in matches if entry.stem == text] or matches
    if len(exact) > 1:
        raise RequestError(f"{text!r} is the beginning of {len(exact)} runs: give more of the id")
    if not exact:
        raise RequestError(f"no run {text!r}: `kernelwright runs` lists those there are")
    try:
        folder = Path(json.loads(exact[0].read_text(encoding="utf-8"))["path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"the index entry of run {text!r} is damaged: give its folder instead") from error
    if not (folder / "run.json").is_file():
        raise RequestError(f"run {exact[0].stem} is gone: its folder {folder} holds no run")
    return folder


def run_status(path: Path) -> dict[str, Any]:
    """``status`` and ``speedup`` of the run in a folder, from the end of its log."""
    log = path / "events.jsonl"
    if not (path / "run.json").is_file():
        return {"status": "missing", "speedup": None}
    for event in reversed(_tail(log)):
        if event["type"] == "run_finished":
            best = event["data"].get("best") or {}
            return {"status": event["data"]["status"], "speedup": best.get("speedup")}
        if event["type"] in ("resumed", "interrupted"):
            break
    return {"status": "running" if is_locked(log) else "interrupted", "speedup": None}


def finished_outcome(log: Path) -> dict[str, Any] | None:
    """What ``run_finished`` said, from the end of the log; None for a run that goes on or can go on."""
    for event in reversed(_tail(log)):
        if event["type"] in _DECISIVE:
            return event["data"] if event["type"] == "run_finished" else None
    return None


def _tail(log: Path) -> list[dict[str, Any]]:
    """The last events; all of them when the last ones are long."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            for start in (max(0, size - _TAIL_BYTES), 0):
                file.seek(start)
                lines = file.read().split(b"\n")[:-1]
                # A chunk begins in the middle of a line, except at the beginning of the file.
                events = _parsed(lines[1:] if start else lines)
                if any(event["type"] in _DECISIVE for event in events):
                    return events
    except OSError:
        return []
    return []


def _parsed(lines: list[bytes]) -> list[dict[str, Any]]:
    events = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("data"), dict) and "type" in event:
            events.append(event)
    return events
