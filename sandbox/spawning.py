"""Starting host processes for jobs: pipes made wide and non-blocking, the parent a thread that never ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue

from sandbox.errors import SandboxError
from sandbox.piping import widen
from sandbox.session import Ends

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_Request = tuple[Future[subprocess.Popen[bytes]], Callable[[], subprocess.Popen[bytes]]]
_lock = threading.Lock()
_queues: dict[int, SimpleQueue[_Request]] = {}
"""The one of this process; a forked child starts a thread of its own."""


def launch_environment() -> dict[str, str]:
    """What a launcher finds in its environment: enough to find programs and the user's systemd, no keys."""
    return {"PATH": _PATH, "XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}"}


def open_pipes() -> tuple[Ends, Ends]:
    """Three wide pipes: our ends, non-blocking, and the job's. Raises SandboxError when there are too many."""
    near: list[int] = []
    far: list[int] = []
    for index in range(3):
        try:
            read, write = os.pipe2(os.O_CLOEXEC)
        except OSError as error:
            for fd in (*near, *far):
                os.close(fd)
            raise SandboxError(f"cannot make a pipe: {error.strerror}") from error
        near.append(write if index == 0 else read)
        far.append(read if index == 0 else write)
        widen(near[-1])
        os.set_blocking(near[-1], False)
    return Ends(*near), Ends(*far)


def spawn(
    argv: Sequence[str], far: Ends, *, cwd: str, pass_fds: Sequence[int] = (), aside: bool = False
) -> subprocess.Popen[bytes]:
    """Start ``argv`` in a session of its own. Raises SandboxError if it cannot be started.

    Its streams are ``far``, which is closed here in any case; with ``aside`` it only inherits the first two, for
    whatever it starts to take. It sees nothing of our environment, where keys may be.

    A "die with your parent" means the parent *thread*, and the calling thread may end long before the job. So
    one thread, which lives as long as this process, starts them all.
    """
    answer: Future[subprocess.Popen[bytes]] = Future()
    _requests().put((answer, partial(_start, argv, far, cwd, pass_fds, aside)))
    try:
        return answer.result()
    except OSError as error:
        raise SandboxError(f"cannot start {argv[0]}: {error.strerror}") from error
    except ValueError as error:
        raise SandboxError(f"cannot start the job: {error}") from error
    finally:
        far.close()


def _requests() -> SimpleQueue[_Request]:
    with _lock:
        if os.getpid() not in _queues:
            _queues.clear()
            _queues[os.getpid()] = SimpleQueue()
            threading.Thread(target=_serve, args=(_queues[os.getpid()],), name="sandbox-spawn", daemon=True).start()
        return _queues[os.getpid()]


def _serve(requests: SimpleQueue[_Request]) -> None:
    while True:
        answer, start = requests.get()
        try:
            answer.set_result(start())
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            answer.set_exception(error)


def _start(argv: Sequence[str], far: Ends, cwd: str, pass_fds: Sequence[int], aside: bool) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL if aside else far.stdin,
        stdout=subprocess.DEVNULL if aside else far.stdout,
        stderr=far.stderr,
        cwd=cwd,
        env=launch_environment(),
        pass_fds=(*pass_fds, far.stdin, far.stdout) if aside else pass_fds,
        start_new_session=True,
    )


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
