"""A disk that is full: the run waits until there is space again, and loses nothing meanwhile.

Whoever writes what must not be lost (the log, the artifacts) waits in the middle of the write; everything else waits
between two steps, or is done again from the last checkpoint (``agent/driving.py``).
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from agent.events import EventLog
from agent.folder import MIN_FREE_BYTES
from agent.models.waiting import Clock, Leave

LOOK_S = 2.0
"""Between two looks at the disk."""


def _stay() -> None:
    """Nobody asks to leave."""


def free_bytes(folder: Path) -> int:
    """Space that is left where ``folder`` lies, or would."""
    return shutil.disk_usage(next(one for one in (folder, *folder.parents) if one.exists())).free


class Space:
    """Looks after the disks of a run; without folders there is always space. Shared by the run's threads."""

    def __init__(
        self,
        folders: Sequence[Path] = (),
        log: EventLog | None = None,
        clock: Clock | None = None,
        *,
        leave: Leave = _stay,
        leave_log: Leave = _stay,
        inactive: Callable[[], AbstractContextManager[None]] = nullcontext,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        """``leave`` ends a wait, ``leave_log`` one in the middle of a write of the log, where it must not use that;
        ``inactive`` is entered for a wait's length; ``free``: bytes left where a folder lies.
        """
        self._folders, self._log, self._clock = tuple(folders), log, clock or Clock()
        self._leave, self._leave_log = leave, leave_log
        self._inactive, self._free = inactive, free
        self._lock = threading.Lock()
        self._waiting = 0
        self._since = 0.0

    def is_short(self) -> bool:
        """Whether less is left than a run needs to work."""
        return any(self._free(folder) < MIN_FREE_BYTES for folder in self._folders)

    def wait(self) -> bool:
        """Between two steps: until there is space; whether there was need to."""
        if not self.is_short():
            return False
        with self._inactive():
            self._begin(written=True)
            try:
                while self.is_short():
                    self._clock.wait(LOOK_S, self._leave)
            finally:
                self._end()
        return True

    def when_full(self, error: OSError) -> None:
        """In the middle of a write of a file (``tools.full_disk.WhenFull``)."""
        with self._inactive():
            self._until_free(self._leave)

    def when_log_is_full(self, error: OSError) -> None:
        """The same for the log itself, which is locked and stops its own clock."""
        self._until_free(self._leave_log)

    def _until_free(self, leave: Leave) -> None:
        self._begin(written=False)
        try:
            while True:
                # At least once: a quota may be used up where the disk is not.
                self._clock.wait(LOOK_S, leave)
                if not self.is_short():
                    return
        finally:
            self._end()

    def _begin(self, *, written: bool) -> None:
        with self._lock:
            self._waiting += 1
            if self._waiting > 1:
                return
            self._since = self._clock.now()
        if self._log is not None:
            where = min(self._folders, key=self._free, default=self._log.path.parent)
            say = self._log.emit if written else self._log.tell
            say("waiting", what="disk", text=f"for space, the disk of {where} is full: free some, and this goes on")

    def _end(self) -> None:
        with self._lock:
            self._waiting -= 1
            if self._waiting or self._log is None:
                return
            seconds = self._clock.now() - self._since
        if not self.is_short():
            self._log.emit("waited", what="disk", seconds=round(seconds, 3))
