"""Sharing the machine: many may compile and check at once, one alone may measure time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any


class Machine:
    """A readers-writer lock. A waiting measurement keeps new work from starting, so that it gets its turn."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._working = 0
        self._measuring = False
        self._waiting = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Work that must not run beside a measurement."""
        with self._changed:
            self._changed.wait_for(lambda: not self._measuring and not self._waiting)
            self._working += 1
        try:
            yield
        finally:
            with self._changed:
                self._working -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, tally: MutableMapping[str, Any] | None = None) -> Iterator[None]:
        """A measurement. Not to be asked for inside ``shared``. ``tally["held_s"]`` grows by the seconds it took."""
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: not self._measuring and not self._working)
            finally:
                self._waiting -= 1
            self._measuring = True
        begin = time.monotonic()
        try:
            yield
        finally:
            if tally is not None:
                tally["held_s"] = round(tally.get("held_s", 0.0) + time.monotonic() - begin, 3)
            with self._changed:
                self._measuring = False
                self._changed.notify_all()
