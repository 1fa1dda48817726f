"""Searches of a chat as processes of their own: they outlive the chat, and are spoken to through their folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.chat.wording import to_argv

PROGRAM = (sys.executable, "-m", "kernelwright")
_TAIL = 400


class ChildSearches:
    """Starts them in sessions of their own, so that neither Ctrl-C nor a closed terminal reaches them."""

    def __init__(self, program: Sequence[str] = PROGRAM) -> None:
        self._program = program
        self._children: dict[Path, subprocess.Popen[bytes]] = {}

    def begin(self, run: Path, problem: Path, words: Mapping[str, Any]) -> None:
        """``kernelwright optimize`` into the folder ``run``."""
        self._start(run, ["optimize", str(problem), "--out", str(run), *to_argv(words)])

    def resume(self, run: Path) -> None:
        """``kernelwright resume``."""
        self._start(run, ["resume", str(run)])

    def is_starting(self, run: Path) -> bool:
        """Whether the process is there: our own child, or one that an earlier process of this chat began."""
        child = self._children.get(run)
        if child is not None:
            return child.poll() is None
        try:
            number = int(_beside(run, "pid").read_text(encoding="ascii"))
            # Numbers come round again: it has to be ours.
            return str(run).encode() in Path(f"/proc/{number}/cmdline").read_bytes()
        except (OSError, ValueError):
            return False

    def last_words(self, run: Path) -> str:
        """The last line that a search wrote to its terminal: why it did not begin, where it did not."""
        try:
            raw = _beside(run, "log").read_bytes()
        except OSError:
            return ""
        lines = raw.decode("utf-8", "replace").strip().splitlines()
        return lines[-1].removeprefix("kernelwright: ")[:_TAIL] if lines else ""

    def _start(self, run: Path, words: list[str]) -> None:
        with _beside(run, "log").open("wb") as log:
            child = subprocess.Popen(
                [*self._program, *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _beside(run, "pid").write_text(str(child.pid), encoding="ascii")
        self._children[run] = child


def _beside(run: Path, what: str) -> Path:
    return run.with_name(f"{run.name}.{what}")
