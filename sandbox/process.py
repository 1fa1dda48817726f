"""Not a security boundary. A job as a plain child process, for code one trusts as much as oneself.

What it does promise: exact environment, wall time, bounded output, a scratch folder that is gone afterwards, and
the death of the job's process group. Where control groups can be had, memory and process count are bounded
too, and daemons die with the rest. It promises neither "no network", nor hidden files, nor a read-only system,
nor a bounded or private /tmp.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from contextlib import suppress

from sandbox.admission import SCRATCH, as_exact, check, environment
from sandbox.base import Execution, Isolation, Job, Mount
from sandbox.cgroup import sweep_groups
from sandbox.enclosure import Enclosure, enclose, mechanisms
from sandbox.ownership import make_folder, sweep_folders
from sandbox.session import Ending, PipeSession
from sandbox.sessions import OpenSessions
from sandbox.spawning import has_ended, kill_group, open_pipes, signed, spawn

_PATH = "/usr/local/bin:/usr/bin:/bin"


class ProcessSandbox:
    """Runs jobs as child processes. See the module's first line."""

    isolation = Isolation.PROCESS

    def __init__(self, python: str | None = None) -> None:
        self._python = python or sys.executable
        self._open = OpenSessions()
        sweep_groups()
        sweep_folders()

    @property
    def python(self) -> tuple[str, ...]:
        """The interpreter that runs this, or the one given, isolated from the user's site-packages."""
        return (self._python, "-I")

    def path_inside(self, mount: Mount) -> str:
        """There is no inside: the source itself."""
        return str(mount.source)

    def enforcement(self) -> dict[str, str]:
        """What holds each limit."""
        nothing = "not enforced"
        return {
            "network": nothing,
            "files": nothing,
            "scratch": nothing,
            **mechanisms(own_users=False),
            "wall": "controller",
            "output": "controller",
            "cleanup": "process group",
        }

    def run(self, job: Job, data: bytes = b"") -> Execution:
        """Run to the end. Raises SandboxError if it could not be started."""
        return self._open.run(self._launch(job), job, data)

    def start(self, job: Job) -> PipeSession:
        """Start and return at once. Raises SandboxError if it could not be started."""
        return self._open.start(self._launch(job), job)

    def close(self) -> None:
        """Stop every session still open; idempotent."""
        self._open.stop_all()

    def _launch(self, job: Job) -> RunningProcess:
        check(job)
        scratch = str(make_folder("job"))
        try:
            enclosure = enclose(job.limits, own_users=False)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        return RunningProcess(job, enclosure, scratch)


class RunningProcess:
    """A child process, its group, its enclosure and its scratch folder."""

    def __init__(self, job: Job, enclosure: Enclosure, scratch: str) -> None:
        self._enclosure = enclosure
        self._scratch = scratch
        self._killing = threading.Lock()
        self._finished = False
        cwd = scratch if job.cwd == SCRATCH else job.cwd
        inner = (*enclosure.inner, *as_exact(environment(job, path=_PATH, home=scratch), job.limits), *job.argv)
        # The mother's death is the child's: util-linux sets that before it becomes the command.
        argv = (*enclosure.prefix, "/usr/bin/setpriv", "--pdeathsig", "KILL", *inner)
        self.ends, far = open_pipes()
        try:
            self._process = spawn(argv, far, cwd=cwd)
        except BaseException:
            self.ends.close()
            self._clean_up()
            raise
        self._pidfd = os.pidfd_open(self._process.pid)
        self.exit_fd: int | None = self._pidfd

    def root(self) -> int:
        """The child itself: it became the job."""
        return self._process.pid

    def wait(self, timeout_s: float) -> bool:
        """Whether the main process ended within the time."""
        return has_ended(self._pidfd, timeout_s)

    def kill(self) -> None:
        """Kill the group, and all of the enclosure where there is one."""
        with self._killing:
            if not self._finished:
                kill_group(self._process)
                self._enclosure.kill()

    def finish(self) -> Ending:
        """Kill, reap, and remove the scratch folder."""
        self.kill()
        with self._killing:
            self._finished = True
        exit_code = signed(self._process.wait())
        self.ends.close()
        os.close(self._pidfd)
        out_of_memory = self._enclosure.was_out_of_memory(exit_code)
        self._clean_up()
        return Ending(exit_code, out_of_memory)

    def _clean_up(self) -> None:
        self._enclosure.remove()
        with suppress(OSError):
            shutil.rmtree(self._scratch)
