"""The sandbox contract: one protocol for docker, bubblewrap and the plain child process.

Two ways to use a sandbox: ``run`` a job to its end, or ``start`` it and talk to it. A command that fails
is an ``Execution``; a sandbox that fails raises a ``SandboxError``, and never poses as the command's output.

What every implementation promises for a job (``sandbox.conformance`` tests it; ``process`` promises only
the part marked *):

* no network at all, not even loopback services of the host;
* host files are hidden except the job's mounts, the system's libraries and the interpreter; the system
  is read-only; the only writable places are ``/tmp`` (bounded by ``Limits.scratch_bytes``, private, gone
  afterwards) and mounts marked writable;
* memory, process count, wall time and captured output are bounded by ``Limits`` (*time and output);
* the environment is exactly ``Job.env`` plus PATH, HOME and LANG (*);
* when ``run`` returns or ``Session.stop`` returns, every process the job ever started is dead, daemons and
  double forks included (*the process group), and nothing is left behind on the host (*).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

GRANTABLE = frozenset({"CAP_PERFMON", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"})
"""What a job may ask for, and no more than profilers need."""


class Isolation(StrEnum):
    """What stands between a job and the host; named by ``doctor`` and in every verdict."""

    DOCKER = "docker"
    BUBBLEWRAP = "bubblewrap"
    PROCESS = "process"

    @property
    def is_boundary(self) -> bool:
        """Whether hostile code may run under it. A plain child process is not a security boundary."""
        return self is not Isolation.PROCESS


@dataclass(frozen=True)
class Limits:
    """Upper bounds for one job."""

    wall_s: float = 60.0
    """Seconds of wall time; for a started session, of its whole life."""
    memory_bytes: int = 4 << 30
    """Resident memory of all its processes together, swap included."""
    processes: int = 256
    """Processes and threads alive at once."""
    output_bytes: int = 1 << 20
    """Captured standard output (``run`` only) and standard error, each; the excess is dropped, not stored."""
    scratch_bytes: int = 1 << 30
    """Size of the private ``/tmp``."""


@dataclass(frozen=True)
class Mount:
    """A host path the job may see."""

    source: Path
    target: str
    """Absolute path inside. Under ``process`` isolation there is no inside: use ``Sandbox.path_inside``."""
    writable: bool = False


@dataclass(frozen=True)
class Job:
    """What to run."""

    argv: tuple[str, ...]
    """Never a shell string. ``argv[0]`` is looked up on the PATH inside."""
    mounts: tuple[Mount, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/tmp"  # noqa: S108 - the sandbox's own /tmp, not the host's
    limits: Limits = field(default_factory=Limits)
    devices: tuple[str, ...] = ()
    """Device files of the host that it may open, besides the harmless ones that every job has."""
    capabilities: tuple[str, ...] = ()
    """Privileges of the kernel it keeps, as ``CAP_PERFMON``: those of ``GRANTABLE``, for profilers that read a device's
    counters. Only a controller that is root can give them away; elsewhere they reach no further than the job's own
    namespace."""
    instrumented: bool = False
    """A profiler or checker watches the program from outside, and talks to it: the system-call filter lets tracing and
    sockets through (there is still no network). Nothing that decides a verdict's numbers runs like this."""


@dataclass(frozen=True)
class Execution:
    """How a job ended. ``exit_code`` is negative for a signal, as in subprocess."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    wall_s: float
    timed_out: bool = False
    out_of_memory: bool = False
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """It ran to its end and returned 0."""
        return self.exit_code == 0 and not self.timed_out and not self.out_of_memory


@dataclass(frozen=True)
class Held:
    """What was found when a job was stopped."""

    grown: bool
    """There are processes that there were not at the last hold, or that ran although they were not released."""
    main_at: float
    """When its main process had been seen still and all others had been listed, by ``time.perf_counter``."""
    looking_s: float = 0.0
    """How much of that stopping and looking take where there is nothing to stop."""


class Session(Protocol):
    """A started job. Bytes go to its standard input; bytes come from its standard output; stderr is kept."""

    def send(self, data: bytes | memoryview, timeout_s: float | None = None) -> None:
        """Write all of ``data``. Raises SessionEnded if the job is gone, or does not read in time (its wall time at
        most).
        """

    def receive_into(self, buffer: memoryview, timeout_s: float) -> None:
        """Fill ``buffer`` from its output. Raises SessionEnded (dead, closed) or SessionTimeout."""

    def stderr_tail(self) -> bytes:
        """What it has written to standard error so far, capped by ``Limits.output_bytes`` (the newest kept)."""

    def watch(self) -> None:
        """Make ``hold`` possible. Called while the job is one process that runs trusted code. Raises HoldFailed."""

    def hold(self) -> Held:
        """Stop every process of the job; on return none runs. The main one is stopped at once.

        Raises HoldFailed, SessionEnded.
        """

    def require_still(self) -> None:
        """Raises HoldFailed if anything of it ran since ``hold``: the kernel can continue what is stopped. Nothing
        is asked of a job that is not held.
        """

    def release(self, *, alone: bool = False) -> None:
        """Let them go on, or only the main one. Raises SessionEnded."""

    def take_descriptor(self, number: int) -> int:
        """A copy of one of the main process's open descriptors. Raises HoldFailed, SessionEnded."""

    def read_memory(self, address: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from the main process's memory, best while it is held. Raises HoldFailed, SessionEnded."""

    def stop(self) -> Execution:
        """Kill everything it started and say how it ended; idempotent. ``stdout`` is empty."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Sandbox(Protocol):
    """A place where jobs run. Safe to use from several threads at once."""

    isolation: Isolation

    @property
    def python(self) -> tuple[str, ...]:
        """Argv prefix of an interpreter inside that can import torch, isolated from user site-packages."""

    def path_inside(self, mount: Mount) -> str:
        """The path under which a mount's source is seen inside (its target, or its source for ``process``)."""

    def run(self, job: Job, data: bytes = b"") -> Execution:
        """Run to the end with ``data`` on standard input. Raises SandboxError if it could not be started."""

    def start(self, job: Job) -> Session:
        """Start and return at once. Raises SandboxError if it could not be started."""

    def enforcement(self) -> dict[str, str]:
        """What holds each limit here: limit to mechanism, or to ``"not enforced"``.

        The keys are ``network``, ``files``, ``memory``, ``processes``, ``wall``, ``output``, ``scratch`` and
        ``cleanup``.
        """

    def close(self) -> None:
        """Stop whatever still runs and remove whatever was made; idempotent."""
