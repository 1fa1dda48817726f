"""Who may measure on this machine: locks on files, which end with the process that holds them, whatever happens to it.

A lock is held alone by who measures, or shared by work that only must not run beside a measurement. Who waits is told
for whom, and may leave.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

LOOK_S = 0.2
TELL_AFTER_S = 1.0
"""Shorter waits are nobody's concern."""


def _stay() -> None:
    """Nobody asks to leave."""


def _silently(text: str) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Patience:
    """How to wait."""

    waiting: Callable[[str], AbstractContextManager[None]] = _silently
    """Given one line that says for whom; entered for the length of the wait."""
    leave: Callable[[], None] = _stay
    """Asked all the while; raises to leave."""
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class FileLease:
    """One lock by name, known to every process of this machine that has the same folder for temporary files."""

    def __init__(self, name: str, patience: Patience | None = None, *, folder: Path | None = None) -> None:
        self._path = Path(folder or tempfile.gettempdir(), f"kernelwright-{name}.lock")
        self._name, self._patience = name, patience or Patience()
        self._lock: int | None = None

    def take(self, *, shared: bool = False) -> None:
        """Wait for who has it, and hold it; idempotent. Raises what ``Patience.leave`` raises."""
        if self._lock is not None:
            return
        lock = _open(self._path)
        try:
            self._wait(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock
        self._sign(lock)

    def give_back(self) -> None:
        """Let others have it; idempotent."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    @property
    def is_wanted(self) -> bool:
        """Whether some process waits for it."""
        queue = _open(self._queue)
        try:
            return not _locked(queue, fcntl.LOCK_EX)
        finally:
            os.close(queue)

    @property
    def _queue(self) -> Path:
        return self._path.with_suffix(".queue")

    def _wait(self, lock: int, kind: int) -> None:
        if _locked(lock, kind):
            return
        patience, began, told = self._patience, self._patience.now(), False
        with ExitStack() as stack:
            queue = _open(self._queue)
            stack.callback(os.close, queue)
            # Shared by all that wait; who gives back asks for it alone, for a moment.
            while not _locked(queue, fcntl.LOCK_SH):
                patience.sleep(LOOK_S)
            while not _locked(lock, kind):
                if not told and patience.now() - began >= TELL_AFTER_S:
                    told = True
                    text = f"for the {self._name}, held by {self._holder(lock)}"
                    stack.enter_context(patience.waiting(text))
                patience.leave()
                patience.sleep(LOOK_S)

    def _holder(self, lock: int) -> str:
        try:
            about = json.loads(self._path.read_text(encoding="utf-8"))
            signed, since = int(about["pid"]), f" since {about['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            signed, since = 0, ""
        pids = _holders(os.fstat(lock).st_ino)
        if not pids:
            return f"process {signed}{since}" if signed else "another process"
        # Several may share it, and who signed last may be done: the kernel knows.
        return f"process {signed}{since}" if signed in pids else f"process {pids[0]}"

    def _sign(self, lock: int) -> None:
        """Who has it and since when, for those who wait; a lock that cannot say so is a lock all the same."""
        about = {"pid": os.getpid(), "since": datetime.now().astimezone().isoformat(timespec="seconds")}
        if os.fstat(lock).st_nlink != 1:
            return  # somebody's else, under another name
        with suppress(OSError):
            os.ftruncate(lock, 0)
            os.pwrite(lock, json.dumps(about).encode() + b"\n", 0)


_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
"""A link that somebody left in a folder for everybody leads to a file that is written over: not followed."""


def _open(path: Path) -> int:
    # First without O_CREAT: where the folder is sticky, only a file's owner may open it with that.
    with suppress(FileNotFoundError):
        return os.open(path, _FLAGS)
    lock = os.open(path, _FLAGS | os.O_CREAT, 0o666)
    with suppress(PermissionError):
        path.chmod(0o666)  # another user may want it next
    return lock


def _holders(inode: int) -> list[int]:
    """Processes that hold a lock on a file, others before this one; none where the system does not tell."""
    try:
        rows = [line.split() for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return []
    # ``1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF``; who only waits has an arrow in the second place.
    found = {int(row[4]) for row in rows if row[1] == "FLOCK" and row[5].rsplit(":", 1)[-1] == str(inode)}
    return sorted(found, key=lambda pid: (pid == os.getpid(), pid))


def _locked(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
