"""Stopping a run on a signal: the first drains it at the next boundary, the second ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from agent.errors import RunInterrupted

EXIT_INTERRUPTED = 130
_KILL_PATIENCE_S = 5.0


class StopFlag:
    """Set by a signal or by ``request``; asked at every boundary."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.cause = ""

    def request(self, cause: str) -> None:
        """Ask the run to stop at the next boundary."""
        self.cause = cause
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise RunInterrupted if somebody asked."""
        if self.requested:
            raise RunInterrupted(self.cause)


@contextmanager
def stop_on_signals(flag: StopFlag, tell: Callable[[str], None], kill: Callable[[], None]) -> Iterator[None]:
    """Handle SIGINT and SIGTERM while the block runs; does nothing outside the main thread.

    ``tell`` gets one line for the user at the first signal; ``kill`` ends every child process at the second
    one, after which this process exits with 130. The run's state is on disk at every moment.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if flag.requested:
            # A thread, because the main one may hold the very lock that closing needs.
            killer = threading.Thread(target=kill, daemon=True)
            killer.start()
            killer.join(_KILL_PATIENCE_S)
            os._exit(EXIT_INTERRUPTED)
        flag.request(name)
        text = f"{name}: stopping at the next boundary, the state is kept; once more to stop at once"
        threading.Thread(target=tell, args=(text,), daemon=True).start()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
