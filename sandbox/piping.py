"""Bytes to and from a job through kernel pipes: large, non-blocking, with deadlines, without byte loops."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import threading
import time

from sandbox.errors import SessionEnded, SessionTimeout

_PIPE_BYTES = 1 << 20
"""What a pipe may hold: the kernel's default ceiling for ordinary users, and 16 times the default size."""

_CHUNK = 1 << 20


def widen(fd: int) -> None:
    """Make a pipe as large as the kernel lets us; a refusal only costs speed."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EBUSY, errno.EINVAL):
            raise


def milliseconds_until(deadline: float) -> int:
    """Time left before ``deadline`` (``time.monotonic`` seconds) in poll's unit, rounded up, never negative."""
    return max(0, int((deadline - time.monotonic()) * 1000) + 1)


def write_all(fd: int, data: bytes | memoryview, deadline: float, over: int) -> None:
    """Write all of ``data`` to a non-blocking pipe, until ``over`` (a descriptor) becomes readable.

    Raises SessionEnded if the reader is gone, too slow, or it is over.
    """
    view = memoryview(data).cast("B")
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    poller.register(over, select.POLLIN)
    sent = 0
    while sent < len(view):
        try:
            sent += os.write(fd, view[sent : sent + _CHUNK])
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise SessionEnded("the job did not read its input in time") from None
            _raise_if_over(poller.poll(milliseconds_until(deadline)), over)
        except OSError as error:
            raise SessionEnded(f"the job no longer reads its input ({error.strerror})") from None


def read_exactly(fd: int, buffer: memoryview, deadline: float, over: int) -> None:
    """Fill ``buffer`` from a non-blocking pipe, until ``over`` (a descriptor) becomes readable.

    Raises SessionEnded at the pipe's end or when it is over, SessionTimeout at the deadline.
    """
    view = buffer.cast("B")
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    poller.register(over, select.POLLIN)
    filled = 0
    while filled < len(view):
        # Poll first: a named pipe that nobody has opened yet reads as ended, but does not poll as ended.
        events = poller.poll(milliseconds_until(deadline))
        _raise_if_over(events, over)
        if not events and time.monotonic() >= deadline:
            raise SessionTimeout(f"the job sent {filled} of {len(view)} bytes in the time given")
        try:
            count = os.readv(fd, [view[filled : filled + _CHUNK]]) if events else None
        except BlockingIOError:
            continue
        except OSError as error:
            raise SessionEnded(f"the job's output is closed ({error.strerror})") from None
        if count == 0:
            raise SessionEnded(f"the job ended after {filled} of {len(view)} bytes")
        filled += count or 0


def _raise_if_over(events: list[tuple[int, int]], over: int) -> None:
    if any(fd == over for fd, _ in events):
        raise SessionEnded("the job was stopped")


class Capture:
    """What was read from a stream, bounded: the head or the newest part is kept. Thread-safe."""

    def __init__(self, limit: int, *, newest: bool) -> None:
        self._limit = max(0, limit)
        self._newest = newest
        self._kept = bytearray()
        self._lock = threading.Lock()
        self.truncated = False
        """Something was dropped."""

    def add(self, chunk: bytes) -> None:
        """Take ``chunk`` in; what does not fit is dropped."""
        with self._lock:
            if not self._newest:
                room = self._limit - len(self._kept)
                self.truncated |= len(chunk) > room
                self._kept += chunk[:room]
                return
            self._kept += chunk
            # Trimmed only when doubled, so that a flood costs one copy a byte and not one a chunk.
            if len(self._kept) > 2 * self._limit + _CHUNK:
                del self._kept[: len(self._kept) - self._limit]
                self.truncated = True

    def read(self) -> bytes:
        """A copy of what is kept."""
        with self._lock:
            if len(self._kept) > self._limit:
                del self._kept[: len(self._kept) - self._limit]
                self.truncated = True
            return bytes(self._kept)


def drain(fd: int, capture: Capture, *, chunks: int = 1) -> bool:
    """Read what a non-blocking pipe holds, at most ``chunks`` times. False at its end."""
    for _ in range(chunks):
        try:
            chunk = os.read(fd, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not chunk:
            return False
        capture.add(chunk)
    return True
