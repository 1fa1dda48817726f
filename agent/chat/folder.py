"""Where chats live: a folder each under ``chats`` in the home, found again by id, or as the last one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import RunError
from agent.events import utc_now
from agent.folder import new_run_id, write_atomically
from agent.runs import run_status
from tools.errors import RequestError


@dataclass(frozen=True)
class ChatFolder:
    """One chat's folder."""

    path: Path

    @property
    def chat_id(self) -> str:
        """Its name."""
        return self.path.name

    @property
    def events(self) -> Path:
        """The chat's own log: what was said, and what its questions to a model took."""
        return self.path / "events.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Where the conversation stands."""
        return self.path / "checkpoints.db"

    def problem(self, name: str) -> Path:
        """The problem file as it is understood."""
        return self.path / f"{name}.py"

    def run(self, number: int) -> Path:
        """The folder of its n-th search."""
        return self.path / f"run-{number}"

    def runs(self) -> list[Path]:
        """Those that have begun, in order."""
        found = [path for path in self.path.glob("run-*") if (path / "run.json").is_file()]
        return sorted(found, key=lambda path: int(path.name.removeprefix("run-")))

    def info(self) -> dict[str, Any]:
        """chat_id, started_at, given (the command line it began with). Raises RunError if it is damaged."""
        try:
            info = json.loads((self.path / "chat.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"the chat in {self.path} cannot be used: its chat.json is damaged") from error
        if not isinstance(info, dict) or not isinstance(info.get("given"), dict):
            raise RunError(f"the chat in {self.path} cannot be used: its chat.json is not of a chat")
        return info


def create_chat(home: Path, given: Mapping[str, Any]) -> ChatFolder:
    """A new one. Raises RequestError where nothing can be written."""
    chat = ChatFolder(home / "chats" / new_run_id())
    info = {"chat_id": chat.chat_id, "started_at": utc_now(), "given": dict(given)}
    try:
        chat.path.mkdir(parents=True)
        write_atomically(chat.path / "chat.json", json.dumps(info, indent=2) + "\n")
    except OSError as error:
        raise RequestError(
            f"cannot write to {chat.path}: {error.strerror}; set KERNELWRIGHT_HOME to another folder"
        ) from error
    return chat


def find_chat(home: Path, name: str = "") -> ChatFolder:
    """By its id or a beginning of it; without, the last one. Raises RequestError."""
    there = _chats(home)
    fitting = [chat for chat in there if chat.chat_id.startswith(name)]
    if not fitting:
        told = f"no chat {name!r}" if name else "no chats yet"
        raise RequestError(f"{told}: `kernelwright chat --list` lists those there are, `kernelwright chat` begins one")
    if name and len(fitting) > 1:
        raise RequestError(f"{name!r} is the beginning of {len(fitting)} chats: give more of the id")
    return fitting[-1]


def list_chats(home: Path) -> list[dict[str, Any]]:
    """Newest first: chat_id, started_at, problem, status and speedup of its last search (None before the first)."""
    rows = []
    for chat in reversed(_chats(home)):
        runs = chat.runs()
        try:
            started = chat.info()["started_at"]
            problem = json.loads((runs[-1] / "run.json").read_text(encoding="utf-8"))["problem"] if runs else None
        except (RunError, OSError, ValueError, KeyError):
            continue  # what nobody can read leads nowhere
        status = run_status(runs[-1]) if runs else {"status": None, "speedup": None}
        rows.append({"chat_id": chat.chat_id, "started_at": started, "problem": problem, **status})
    return rows


def _chats(home: Path) -> list[ChatFolder]:
    return [ChatFolder(path.parent) for path in sorted((home / "chats").glob("*/chat.json"))]
