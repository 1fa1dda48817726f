"""Taking turns with other processes of this machine: they judge too, and one alone may measure.

Within a process ``tools.exclusion`` does the same. Where candidates run on an accelerator, that is what is held, for as
long as the judge lives; where they run on the processors, those are held for one judgement.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sandbox.devices import Device
from sandbox.leases import LOOK_S, FileLease, Patience

PROCESSORS = "processors"


class Turns:
    """A judge's turns on the processors. With an accelerator there are none: its lease is enough."""

    def __init__(self, device: Device | None, patience: Patience, settle: Callable[[], None]) -> None:
        """``settle`` returns when nothing of the judge's runs in the background."""
        self._needed, self._patience, self._settle = device is None, patience, settle
        self._mine = threading.local()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """To measure; a turn within a turn is the same one."""
        with self._turn(shared=False):
            yield

    @contextmanager
    def shared(self) -> Iterator[None]:
        """To work while nobody measures."""
        with self._turn(shared=True):
            yield

    @contextmanager
    def _turn(self, *, shared: bool) -> Iterator[None]:
        if not self._needed or getattr(self._mine, "has", False):
            yield
            return
        lease = FileLease(PROCESSORS, self._patience)
        lease.take(shared=shared)
        self._mine.has = True
        try:
            yield
        finally:
            self._mine.has = False
            wanted = lease.is_wanted
            try:
                if wanted:
                    self._settle()
            finally:
                lease.give_back()
            if wanted:  # long enough for who waits to notice: the next judgement would come first otherwise
                self._patience.sleep(2 * LOOK_S)
