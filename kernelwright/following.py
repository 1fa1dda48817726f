"""Follows event logs that another process writes: what ``watch`` shows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from agent.events import Event

LOOK_S = 0.5
PATIENCE_S = 8.0
"""Nobody works on it for so long, and nobody will: a detached one may be starting."""


class Tail:
    """What was added to a log since it was read last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Event]:
        """Whole events; none while the log is not there."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                raw = file.read()
        except OSError:
            return []
        whole = raw[: raw.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [Event(**json.loads(line)) for line in whole.splitlines()]


def follow(
    read: Callable[[], list[Event]],
    ends: Callable[[Event], bool],
    is_attended: Callable[[], bool],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """Events as they come, until one that ends it, or until nobody works on it any more."""
    alone_s = 0.0
    while True:
        attended = is_attended()
        found = read()
        yield from found
        if found and ends(found[-1]):
            return
        alone_s = 0.0 if attended or found else alone_s + LOOK_S
        if alone_s >= PATIENCE_S:
            return
        sleep(LOOK_S)
