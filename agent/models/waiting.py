"""Waiting that can be left at any moment, with a clock and a sleep that a test can put its own in for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

SLICE_S = 0.5
"""A wait is left no later than this after it was asked to."""

Leave = Callable[[], None]
"""Raises to leave a wait: the run is to stop, or its time is up."""


@dataclass(frozen=True)
class Clock:
    """Seconds that only go forward, and a way to let them pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def wait(self, seconds: float, leave: Leave) -> None:
        """Let ``seconds`` pass, asking ``leave`` all the while."""
        until = self.now() + seconds
        leave()
        while (left := until - self.now()) > 0:
            self.sleep(min(left, SLICE_S))
            leave()
