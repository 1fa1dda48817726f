"""Starting host processes for jobs: pipes made wide and non-blocking, the parent a thread that never ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sandbox.errors import SandboxError
from sandbox.piping import widen
from sandbox.session import Ends

_lock = threading.Lock()
_spawners: dict[int, ThreadPoolExecutor] = {}


def spawn(argv: Sequence[str], *, cwd: str, pass_fds: Sequence[int] = ()) -> tuple[subprocess.Popen[bytes], Ends]:
    """Start ``argv`` in a session of its own with three pipes. Raises SandboxError if it cannot be started.

    A "die with your parent" means the parent *thread*, and the calling thread may end long before the job. So
    one thread, which lives as long as this process, starts them all.
    """
    with _lock:
        spawner = _spawners.get(os.getpid())
        if spawner is None:
            _spawners.clear()
            spawner = _spawners[os.getpid()] = ThreadPoolExecutor(1, thread_name_prefix="sandbox-spawn")
    try:
        return spawner.submit(_spawn, argv, cwd, pass_fds).result()
    except OSError as error:
        raise SandboxError(f"cannot start {argv[0]}: {error.strerror}") from error
    except ValueError as error:
        raise SandboxError(f"cannot start the job: {error}") from error


def _spawn(argv: Sequence[str], cwd: str, pass_fds: Sequence[int]) -> tuple[subprocess.Popen[bytes], Ends]:
    near, far = [], []
    for index in range(3):
        read, write = os.pipe2(os.O_CLOEXEC)
        near.append(write if index == 0 else read)
        far.append(read if index == 0 else write)
    try:
        for fd in near:
            widen(fd)
            os.set_blocking(fd, False)
        process = subprocess.Popen(
            argv, stdin=far[0], stdout=far[1], stderr=far[2], cwd=cwd, pass_fds=pass_fds, start_new_session=True
        )
    except BaseException:
        for fd in near:
            os.close(fd)
        raise
    finally:
        for fd in far:
            os.close(fd)
    return process, Ends(*near)


def has_ended(pidfd: int, timeout_s: float) -> bool:
    """Whether the process behind ``pidfd`` ended within the time. It is not reaped: its number stays taken."""
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(int(timeout_s * 1000)))


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process group; idempotent. Before ``process`` is reaped."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def signed(status: int) -> int:
    """Exit status as a shell tells it (128 + signal) to exit code as subprocess tells it (- signal)."""
    return 128 - status if 128 < status <= 128 + 64 else status
