"""A search watched from outside: its event log is followed, and folded into the view that every other watcher has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kernelwright.run_view import RunView

if TYPE_CHECKING:
    from agent.events import Event


class Follower:
    """Reads a log that is being written, from its beginning on."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.view = RunView()
        self._offset = 0

    def lines(self) -> Iterator[str]:
        """What is worth telling of the events that came since; the view has them folded in."""
        for event in self._events():
            line = self.view.apply(event)
            if line:
                yield f"[{self.view.elapsed_s:6.1f}s] {line}"

    def catch_up(self) -> None:
        """Fold in what happened before anybody watched, without telling it."""
        for _ in self.lines():
            pass

    def _events(self) -> Iterator[Event]:
        from agent.events import Event

        try:
            with (self.run / "events.jsonl").open("rb") as file:
                file.seek(self._offset)
                raw = file.read()
        except OSError:
            return
        whole = raw.rfind(b"\n") + 1
        self._offset += whole
        for line in raw[:whole].splitlines():
            try:
                yield Event(**json.loads(line))
            except (ValueError, TypeError):
                continue
