"""Talking to a started job: what every isolation shares once it has three pipes and the power to kill."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from sandbox.base import Execution, Held, Limits
from sandbox.errors import HoldFailed, SessionEnded
from sandbox.holding import Holder
from sandbox.piping import Capture, drain, milliseconds_until, read_exactly, write_all

_LAST_BREATH_S = 1.0
"""A job whose streams have ended is about to end, or to be reported as ended: its own exit code tells more."""

_LAST_CHUNKS = 64
"""Reads at most that often after a job's end: more than a pipe holds, and bounded if somebody still writes."""


@dataclass(frozen=True)
class Ending:
    """How a job ended; ``exit_code`` is negative for a signal."""

    exit_code: int
    out_of_memory: bool = False


@dataclass
class Ends:
    """The controller's non-blocking ends of a job's three pipes; -1 once closed."""

    stdin: int
    stdout: int
    stderr: int

    def close_stdin(self) -> None:
        """Tell the job that its input is over; idempotent."""
        fd, self.stdin = self.stdin, -1
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        """Close all three; idempotent."""
        self.close_stdin()
        for fd in (self.stdout, self.stderr):
            if fd >= 0:
                os.close(fd)
        self.stdout = self.stderr = -1


class Running(Protocol):
    """A started job, as one kind of isolation knows it."""

    ends: Ends
    exit_fd: int | None
    """Becomes readable when the job has ended; None where the end of its output says so."""

    def root(self) -> int:
        """A process of ours, or of the engine, whose descendants are the job and nothing else. Raises SandboxError."""

    def wait(self, timeout_s: float) -> bool:
        """Whether the job's main process ended within the time."""

    def kill(self) -> None:
        """Kill everything the job started and return when it is dead. Idempotent, from any thread,
        and without effect after ``finish``.
        """

    def finish(self) -> Ending:
        """Kill what is left, remove what was made, say how it ended. Called once. Raises SandboxError when the
        job was never started.
        """


def run_to_end(running: Running, data: bytes, limits: Limits) -> Execution:
    """Feed ``data``, collect the output, wait for the end or the deadline, clean up."""
    began = time.monotonic()
    captures = tuple(Capture(limits.output_bytes, newest=False) for _ in range(2))
    try:
        timed_out = not _exchange(running, data, captures, began + limits.wall_s)
        wall_s = time.monotonic() - began
        running.kill()
        for fd, capture in zip((running.ends.stdout, running.ends.stderr), captures, strict=True):
            drain(fd, capture, chunks=_LAST_CHUNKS)
    except BaseException:
        running.kill()
        running.finish()
        raise
    ending = running.finish()
    out, err = captures
    return Execution(
        exit_code=ending.exit_code,
        stdout=out.read(),
        stderr=err.read(),
        wall_s=wall_s,
        timed_out=timed_out,
        out_of_memory=ending.out_of_memory,
        truncated=out.truncated or err.truncated,
    )


def _exchange(running: Running, data: bytes, captures: tuple[Capture, ...], deadline: float) -> bool:
    """Move bytes both ways until the job ends. False at the deadline."""
    ends = running.ends
    readers = dict(zip((ends.stdout, ends.stderr), captures, strict=True))
    poller = select.poll()
    for fd in readers:
        poller.register(fd, select.POLLIN)
    if running.exit_fd is not None:
        poller.register(running.exit_fd, select.POLLIN)
    rest = memoryview(data)
    if rest:
        poller.register(ends.stdin, select.POLLOUT)
    else:
        ends.close_stdin()
    while readers:
        events = poller.poll(milliseconds_until(deadline))
        if time.monotonic() >= deadline:
            return False
        for fd, _ in events:
            if fd == running.exit_fd:
                return True
            if fd == ends.stdin:
                rest = _feed(fd, rest)
                if not rest:
                    poller.unregister(fd)
                    ends.close_stdin()
            elif fd in readers and not drain(fd, readers[fd]):
                poller.unregister(fd)
                del readers[fd]
    return running.wait(max(0.0, deadline - time.monotonic()))


def _feed(fd: int, rest: memoryview) -> memoryview:
    """Write once; what remains to be written (nothing when the job has stopped reading)."""
    try:
        return rest[os.write(fd, rest[: 1 << 20]) :]
    except BlockingIOError:
        return rest
    except OSError:
        return rest[:0]


class PipeSession:
    """A started job that is talked to. One thread may send while another receives; any may stop it.

    A thread of its own reads standard error, so that a chatty job cannot block, and enforces the wall time.
    """

    def __init__(self, running: Running, limits: Limits) -> None:
        self._running = running
        self._began = time.monotonic()
        self._deadline = self._began + limits.wall_s
        self._errors = Capture(limits.output_bytes, newest=True)
        self._timed_out = False
        self._seems_over = False
        self._over = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = threading.Lock()
        self._sending = threading.Lock()
        self._receiving = threading.Lock()
        self._reading = threading.Lock()
        self._execution: Execution | None = None
        self._holder: Holder | None = None
        self._watch = threading.Thread(target=self._look_after, name="sandbox-watch", daemon=True)
        self._watch.start()

    def send(self, data: bytes | memoryview, timeout_s: float | None = None) -> None:
        """Write all of ``data``. Raises SessionEnded if the job is gone or does not read in time."""
        deadline = self._deadline if timeout_s is None else min(self._deadline, time.monotonic() + timeout_s)
        with self._sending:
            self._refuse_if_stopped()
            with self._noting_the_end():
                write_all(self._running.ends.stdin, data, deadline, self._over)

    def receive_into(self, buffer: memoryview, timeout_s: float) -> None:
        """Fill ``buffer`` from its output. Raises SessionEnded (dead, closed) or SessionTimeout."""
        with self._receiving:
            self._refuse_if_stopped()
            with self._noting_the_end():
                read_exactly(self._running.ends.stdout, buffer, time.monotonic() + timeout_s, self._over)

    def stderr_tail(self) -> bytes:
        """What it has written to standard error so far; the newest is kept."""
        # What it wrote before it answered is there by now; the thread that reads it may not have had its turn yet.
        if self._stopping.acquire(blocking=False):
            try:
                if self._execution is None:
                    self._read_errors(_LAST_CHUNKS)
            finally:
                self._stopping.release()
        return self._errors.read()

    def _read_errors(self, chunks: int = 1) -> bool:
        """False at the end of standard error."""
        with self._reading:
            return drain(self._running.ends.stderr, self._errors, chunks=chunks)

    def watch(self) -> None:
        """Make ``hold`` possible. Raises HoldFailed."""
        self._refuse_if_stopped()
        self._holder = self._holder or Holder(self._running.root())

    def hold(self) -> Held:
        """Stop every process of the job. Raises HoldFailed, SessionEnded."""
        return self._watched().hold()

    def require_still(self) -> None:
        """Raises HoldFailed if any ran since ``hold``, SessionEnded."""
        self._watched().require_still()

    def release(self, *, alone: bool = False) -> None:
        """Let them go on, or only the main one. Raises HoldFailed, SessionEnded."""
        self._watched().release(alone=alone)

    def read_memory(self, address: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from the main process's memory. Raises HoldFailed, SessionEnded."""
        self._watched().read_into(address, buffer)

    def take_descriptor(self, number: int) -> int:
        """A copy of one of the main process's open descriptors. Raises HoldFailed, SessionEnded."""
        return self._watched().take_descriptor(number)

    def _watched(self) -> Holder:
        self._refuse_if_stopped()
        if self._holder is None:
            raise HoldFailed("nobody asked to watch this job")
        return self._holder

    def stop(self) -> Execution:
        """Kill everything it started and say how it ended; idempotent."""
        with self._stopping:
            if self._execution is not None:
                return self._execution
            if self._seems_over and time.monotonic() < self._deadline:
                self._running.wait(_LAST_BREATH_S)
            now = time.monotonic()
            wall_s = now - self._began
            self._timed_out |= now >= self._deadline and not self._running.wait(0)
            os.eventfd_write(self._over, 1)
            self._running.kill()
            self._watch.join()
            self._read_errors(_LAST_CHUNKS)
            # Nobody may still be using the descriptors that finish() closes.
            with self._sending, self._receiving:
                self._execution = Execution(-9, b"", b"", wall_s)
                try:
                    ending = self._running.finish()
                finally:
                    os.close(self._over)
                    if self._holder is not None:
                        self._holder.close()
            self._execution = Execution(
                exit_code=ending.exit_code,
                stdout=b"",
                stderr=self._errors.read(),
                wall_s=wall_s,
                timed_out=self._timed_out,
                out_of_memory=ending.out_of_memory,
                truncated=self._errors.truncated,
            )
            return self._execution

    @property
    def is_stopped(self) -> bool:
        """Whether ``stop`` has been called."""
        return self._execution is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @contextmanager
    def _noting_the_end(self) -> Iterator[None]:
        try:
            yield
        except SessionEnded:
            self._seems_over = True
            raise

    def _refuse_if_stopped(self) -> None:
        if self.is_stopped:
            raise SessionEnded("the job was stopped")

    def _look_after(self) -> None:
        poller = select.poll()
        poller.register(self._over, select.POLLIN)
        poller.register(self._running.ends.stderr, select.POLLIN)
        while True:
            events = poller.poll(milliseconds_until(self._deadline))
            if any(fd == self._over for fd, _ in events):
                return
            if time.monotonic() >= self._deadline:
                self._timed_out = True
                self._running.kill()
                return
            for fd, _ in events:
                if not self._read_errors():
                    poller.unregister(fd)
