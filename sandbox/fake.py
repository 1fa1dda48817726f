"""A sandbox that runs nothing: it replays what a test scripted, and refuses what the test did not foresee."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from sandbox.base import Execution, Held, Isolation, Job, Mount
from sandbox.errors import SandboxError, SessionEnded

Reply = Execution | SandboxError
"""What a scripted job comes to: an end, or the sandbox's own failure, which is raised."""

Answer = Callable[[bytes], bytes]
"""A scripted session: called with what was sent, gives what the job writes in response."""


class FakeSandbox:
    """Replays scripted replies in order. A job without one is an error, never a success."""

    def __init__(
        self,
        replies: Iterable[Reply] = (),
        answers: Iterable[Answer] = (),
        isolation: Isolation = Isolation.BUBBLEWRAP,
    ) -> None:
        self.isolation = isolation
        self.jobs: list[Job] = []
        """Every job that was asked for, in order."""
        self.inputs: list[bytes] = []
        """The standard input of each ``run``."""
        self._replies = deque(replies)
        self._answers = deque(answers)

    @property
    def python(self) -> tuple[str, ...]:
        """An interpreter in name only."""
        return ("python", "-I")

    def path_inside(self, mount: Mount) -> str:
        """Its target."""
        return mount.target

    def enforcement(self) -> dict[str, str]:
        """Nothing runs, so nothing is bounded."""
        limits = ("network", "files", "memory", "processes", "wall", "output", "scratch", "cleanup")
        return dict.fromkeys(limits, "not enforced")

    def run(self, job: Job, data: bytes = b"") -> Execution:
        """The next scripted reply. Raises SandboxError when there is none, or when it is one."""
        self.jobs.append(job)
        self.inputs.append(data)
        if not self._replies:
            raise SandboxError(f"the test scripted no reply for {job.argv!r}")
        reply = self._replies.popleft()
        if isinstance(reply, SandboxError):
            raise reply
        return reply

    def start(self, job: Job) -> FakeSession:
        """A session that speaks the next scripted answer. Raises SandboxError when there is none."""
        self.jobs.append(job)
        if not self._answers:
            raise SandboxError(f"the test scripted no session for {job.argv!r}")
        return FakeSession(self._answers.popleft())

    def close(self) -> None:
        """Raises SandboxError when scripted replies were never asked for."""
        left = len(self._replies) + len(self._answers)
        self._replies.clear()
        self._answers.clear()
        if left:
            raise SandboxError(f"{left} scripted replies were never asked for")


class FakeSession:
    """A session without a process: what is sent goes to a function, what that returns can be received."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._pending = bytearray()
        self._stopped = False

    def send(self, data: bytes | memoryview, timeout_s: float | None = None) -> None:
        """Ask the scripted function."""
        self._refuse_if_stopped()
        self._pending += self._answer(bytes(data))

    def receive_into(self, buffer: memoryview, timeout_s: float) -> None:
        """Fill ``buffer``. Raises SessionEnded when the script wrote less than that."""
        self._refuse_if_stopped()
        view = buffer.cast("B")
        if len(self._pending) < len(view):
            raise SessionEnded(f"the script wrote {len(self._pending)} of {len(view)} bytes")
        view[:] = self._pending[: len(view)]
        del self._pending[: len(view)]

    def stderr_tail(self) -> bytes:
        """Nothing."""
        return b""

    def watch(self) -> None:
        """There is nothing to hold."""

    def hold(self) -> Held:
        """Nothing runs anyway."""
        self._refuse_if_stopped()
        return Held(False, time.perf_counter())

    def require_still(self) -> None:
        """Nothing runs."""
        self._refuse_if_stopped()

    def release(self, *, alone: bool = False) -> None:
        """Nothing was held."""
        self._refuse_if_stopped()

    def take_descriptor(self, number: int) -> int:
        """A script opens nothing. Raises SandboxError."""
        raise SandboxError("a scripted session has no descriptors")

    def read_memory(self, address: int, buffer: memoryview) -> None:
        """A script has no memory. Raises SandboxError."""
        raise SandboxError("a scripted session has no memory")

    def stop(self) -> Execution:
        """It was killed, as a real one would be."""
        self._stopped = True
        return Execution(exit_code=-9, stdout=b"", stderr=b"", wall_s=0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _refuse_if_stopped(self) -> None:
        if self._stopped:
            raise SessionEnded("the job was stopped")
