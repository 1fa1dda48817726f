"""Which crews there are: the one that judges now, one that gets ready for a confirmation, and whoever else was started.

A confirmation is judged by processes that know nothing of the candidate. On a device they are started ahead, since they
import torch beside the search for nothing but processors; there is not memory of the device's for two crews, so the
one before is dismissed when the next is taken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from tools.crew import Crew
from tools.errors import JudgeUnavailable
from tools.rooms import CLOSED

Make = Callable[[Crew | None], Crew]
"""Starts a crew, that of a problem which an earlier one described."""


class Crews:
    """Starts and dismisses them. Safe to use from several threads."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._lock = threading.RLock()
        self._now: Crew | None = None
        self._next: Crew | None = None
        self._started: list[Crew] = []
        self._closed = False

    @property
    def known(self) -> Crew | None:
        """The one that judges now, if there is one already."""
        return self._now

    @property
    def started(self) -> tuple[Crew, ...]:
        """All that were started and not dismissed."""
        return tuple(self._started)

    def now(self) -> Crew:
        """The one that judges, started if there is none. Raises JudgeUnavailable."""
        with self._lock:
            if self._now is None:
                self._now = self.new()
            return self._now

    def new(self, before: Crew | None = None) -> Crew:
        """One more; ``before``: who described the problem. Raises JudgeUnavailable."""
        if self._closed:
            raise JudgeUnavailable(CLOSED)
        crew = self._make(before)
        self._started.append(crew)
        if self._closed:  # meanwhile
            self.dismiss(crew)
            raise JudgeUnavailable(CLOSED)
        return crew

    def look_ahead(self) -> None:
        """Start the one that will take the place of the present one, if that can be done: else who wants it says so."""
        with self._lock, suppress(JudgeUnavailable):
            if self._next is None and self._now is not None:
                self._next = self.new(self._now)

    def replace(self) -> Crew:
        """Dismiss the one that judges; the next one takes its place. Raises JudgeUnavailable."""
        with self._lock:
            before, ahead = self.now(), self._next
            self._next = None
            self.dismiss(before)
            self._now = ahead or self.new(before)
            return self._now

    def forget(self) -> None:
        """Dismiss those that judge now and next: something failed that may be their fault."""
        with self._lock:
            for crew in (self._now, self._next):
                if crew is not None:
                    self.dismiss(crew)
            self._now = self._next = None

    def dismiss(self, crew: Crew) -> None:
        """Close it, and let go of what it knows: there is one more for every confirmation."""
        crew.close()
        with suppress(ValueError):
            self._started.remove(crew)

    def close(self) -> None:
        """Dismiss all, those at work in other threads too; none is started any more."""
        self._closed = True
        for crew in self.started:
            self.dismiss(crew)
        with self._lock:
            self._now = self._next = None
