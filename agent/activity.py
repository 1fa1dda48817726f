"""Whether a run is active: its time stands still exactly while somebody waits and nobody works.

What is waited for is no business of the run's: a model's server that is out, or a person who asked for a pause.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def _nothing() -> None:
    """No clock to hold."""


class Activity:
    """Who works and who waits, of a run's threads. Everything that runs beside others says that it works."""

    def __init__(self, hold: Callable[[], None] = _nothing, release: Callable[[], None] = _nothing) -> None:
        """``hold`` and ``release`` stop and start the run's clock; both are called again and again."""
        self._hold, self._release = hold, release
        self._working = self._waiting = 0
        self._lock = threading.Lock()

    @contextmanager
    def working(self) -> Iterator[None]:
        """Something is being done beside others; while all of them wait, the run's time stands still."""
        self._count(working=1)
        try:
            yield
        finally:
            self._count(working=-1)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The thread waits for something that is not the run's to hurry."""
        self._count(waiting=1)
        try:
            yield
        finally:
            self._count(waiting=-1)

    def _count(self, working: int = 0, waiting: int = 0) -> None:
        with self._lock:
            self._working += working
            self._waiting += waiting
            if self._waiting and self._waiting >= self._working:
                self._hold()
            else:
                self._release()
