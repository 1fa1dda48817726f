"""Waiting for a device that another process measures on: told in the log, and no time of the run's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from agent.activity import Activity
from agent.events import EventLog
from agent.models.waiting import Clock


def waiting_for_device(
    log: EventLog, clock: Clock, activity: Activity
) -> Callable[[str], AbstractContextManager[None]]:
    """``sandbox.leases.Patience.waiting`` for a run."""

    @contextmanager
    def waiting(text: str) -> Iterator[None]:
        began = clock.now()
        log.emit("waiting", what="device", text=text)
        try:
            with activity.waiting():
                yield
        finally:
            log.emit("waited", what="device", seconds=round(clock.now() - began, 3))

    return waiting
