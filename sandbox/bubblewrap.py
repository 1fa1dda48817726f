"""Jobs under bubblewrap: namespaces of their own, a read-only system, a private /tmp; no daemon needed.

A job started by root runs as nobody; one started by an ordinary user runs as that user in a user namespace, without
any capability. Either way a system-call filter closes the doors that a kernel writer never needs.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

from sandbox.admission import (
    NOBODY,
    SCRATCH,
    User,
    accounts,
    as_exact,
    as_nobody,
    by_depth,
    check,
    environment,
    readied,
)
from sandbox.base import Execution, Isolation, Job, Mount
from sandbox.cgroup import sweep_groups
from sandbox.enclosure import Enclosure, enclose, mechanisms
from sandbox.errors import SandboxError, SandboxUnavailable
from sandbox.ownership import sweep_folders
from sandbox.seccomp import filter_program
from sandbox.session import Ending, PipeSession
from sandbox.sessions import OpenSessions
from sandbox.spawning import has_ended, kill_group, open_pipes, signed, spawn

_PROBE_S = 0.5
_DEATH_S = 10.0
_HINT = "apt-get install bubblewrap"
_RESTRICTIONS = {
    "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1",
    "/proc/sys/kernel/unprivileged_userns_clone": "0",
    "/proc/sys/user/max_user_namespaces": "0",
}
"""Settings that forbid user namespaces to ordinary users, with the value that does."""

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin")
_DETAILS = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime"),
    *("/sys/devices/system/cpu", "/sys/devices/system/node"),
)
_TAKE_STREAMS = (
    *("/bin/bash", "-p", "-c"),
    'exec <&"$1" >&"$2"; in=$1 out=$2; exec {in}<&- {out}>&-; shift 2; exec "$@"',
    "bash",
)
"""Bubblewrap would hold the streams it is given as its own until the end, so that nobody could see the job close
them. It is given others, and the job takes the real ones from where it inherits them (not dash: two digits)."""

_OWN_FILES = {
    "/etc/passwd": accounts(User(NOBODY, NOBODY)),
    "/etc/group": f"root:x:0:\nsandbox:x:{NOBODY}:\n",
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
}
"""Files of its own instead of the host's: who there is, and what the job's own loopback is called."""


class BubblewrapSandbox:
    """Runs jobs under bubblewrap. Raises SandboxUnavailable where that cannot work, with the remedy."""

    isolation = Isolation.BUBBLEWRAP

    def __init__(self, python: str | None = None) -> None:
        self._python = python or sys.executable
        self._open = OpenSessions()
        if problem := why_unavailable():
            raise SandboxUnavailable(*problem)
        sweep_groups()
        sweep_folders()

    @property
    def python(self) -> tuple[str, ...]:
        """The interpreter that runs this, or the one given, isolated from the user's site-packages."""
        return (self._python, "-I")

    def path_inside(self, mount: Mount) -> str:
        """Its target."""
        return mount.target

    def enforcement(self) -> dict[str, str]:
        """What holds each limit."""
        spaces = "namespaces"
        scratch = "tmpfs size" if _size(0) else "memory limit"
        return {
            "network": spaces,
            "files": spaces,
            "scratch": scratch,
            **mechanisms(own_users=True),
            "wall": "controller",
            "output": "controller",
            "cleanup": "process namespace",
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

    def _launch(self, job: Job) -> RunningBubblewrap:
        check(job)
        with ExitStack() as stack:
            mounts = stack.enter_context(readied(job.mounts))
            enclosure = enclose(job.limits, own_users=True)
            stack.callback(enclosure.remove)
            return RunningBubblewrap(self._argv(job, mounts), enclosure, stack, job.instrumented)

    def _argv(self, job: Job, mounts: tuple[Mount, ...]) -> list[str]:
        path = f"{Path(self._python).parent}:/usr/local/bin:/usr/bin:/bin"
        argv = ["bwrap", "--die-with-parent", "--new-session", "--hostname", "sandbox", *_namespaces(job.capabilities)]
        argv += ["--unshare-uts", *_system()]
        argv += ["--proc", "/proc", "--dev", "/dev"]
        argv += ["--perms", "1777", *_size(job.limits.scratch_bytes), "--tmpfs", SCRATCH]
        argv += _folders_above([*self._prefixes, *(mount.target for mount in mounts)])
        for prefix in self._prefixes:
            argv += ["--ro-bind", prefix, prefix]
        for mount in by_depth(mounts):
            argv += ["--bind" if mount.writable else "--ro-bind", os.path.realpath(mount.source), mount.target]
        for device in job.devices:
            argv += ["--dev-bind", device, device]
        argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", job.cwd]
        return [
            *argv,
            "--",
            *_drop(job.capabilities),
            "{inner}",
            *as_exact(environment(job, path=path, home=SCRATCH), job.limits),
            *job.argv,
        ]

    @cached_property
    def _prefixes(self) -> list[str]:
        """Folders of the interpreter that are not in the system's own."""
        if self._python == sys.executable:
            found = [sys.prefix, sys.base_prefix]
        else:
            script = "import sys; print(sys.prefix, sys.base_prefix, sep='\\n')"
            asked = subprocess.run([self._python, "-I", "-c", script], capture_output=True, check=False, timeout=20)
            if asked.returncode:
                raise SandboxError(f"{self._python} is not a Python interpreter that runs")
            found = asked.stdout.decode().splitlines()
        folders = {folder for prefix in found for folder in (prefix, os.path.realpath(prefix))}
        outside = sorted(folder for folder in folders if not folder.startswith(("/usr/", "/bin/", "/lib/")))
        return [folder for folder in outside if folder not in {"/", "/usr", "/home", "/root"}]


class RunningBubblewrap:
    """The bubblewrap process outside, and the first process of the namespace inside."""

    def __init__(self, argv: list[str], enclosure: Enclosure, made: ExitStack, instrumented: bool) -> None:
        self._enclosure = enclosure
        self._killing = threading.Lock()
        self._killed = False
        self._finished = False
        place = argv.index("{inner}")
        argv[place : place + 1] = enclosure.inner
        read, write = os.pipe2(os.O_CLOEXEC)
        self.ends, far = open_pipes()
        argv[place:place] = [*_TAKE_STREAMS, str(far.stdin), str(far.stdout)]
        try:
            with _options(write, instrumented) as (options, fds):
                whole = [*enclosure.prefix, argv[0], *options, *argv[1:]]
                self._process = spawn(whole, far, cwd="/", pass_fds=fds, aside=True)
        except BaseException:
            self.ends.close()
            os.close(read)
            raise
        finally:
            os.close(write)
        self._status = os.fdopen(read, "rb", buffering=0)
        self._pidfd = os.pidfd_open(self._process.pid)
        self.exit_fd: int | None = self._pidfd
        self._first_pid: int | None = None
        self._first = self._await_first()
        # From here on finish() owns what was made for the job.
        self._made = made.pop_all()

    def root(self) -> int:
        """The first process of the namespace, which is bubblewrap's own. Raises SandboxError when it is gone."""
        if self._first_pid is None:
            raise SandboxError("bubblewrap is gone")
        return self._first_pid

    def wait(self, timeout_s: float) -> bool:
        """Whether bubblewrap, which ends when the job does, ended within the time."""
        return has_ended(self._pidfd, timeout_s)

    def kill(self) -> None:
        """Kill the namespace by its first process, which takes all others with it, then what is outside."""
        with self._killing:
            if self._finished:
                return
            if not self._killed and not self.wait(0):
                self._killed = True
            if self._first is not None:
                _kill(self._first)
                has_ended(self._first, _DEATH_S)
                # Bubblewrap now reports the death and goes; only one that hangs is killed itself.
                has_ended(self._pidfd, 1.0)
            kill_group(self._process)
            self._enclosure.kill()

    def finish(self) -> Ending:
        """Reap and clean up. Raises SandboxError when bubblewrap failed before the job began."""
        self.kill()
        with self._killing:
            self._finished = True
        exit_code = signed(self._process.wait())
        events = self._status.read() or b""
        self._status.close()
        self.ends.close()
        for fd in (self._pidfd, self._first):
            if fd is not None:
                os.close(fd)
        out_of_memory = self._enclosure.was_out_of_memory(exit_code)
        self._made.close()
        if b"exit-code" not in events and not self._killed and not out_of_memory and exit_code > 0:
            raise SandboxError(f"bubblewrap could not start the job (exit code {exit_code})")
        return Ending(-9 if self._killed and exit_code > 0 else exit_code, out_of_memory)

    def _await_first(self) -> int | None:
        """A descriptor of the namespace's first process; None when bubblewrap is gone already."""
        first = b""
        while b"\n" not in first:  # it comes in pieces
            ready, _, _ = select.select([self._status], [], [], _DEATH_S)
            piece = self._status.read(4096) if ready else b""
            if not piece:
                break
            first += piece
        try:
            self._first_pid = int(json.loads(first.splitlines()[0])["child-pid"])
            return os.pidfd_open(self._first_pid)
        except (IndexError, ValueError, KeyError, ProcessLookupError):
            return None


def why_unavailable() -> tuple[str, str] | None:
    """None when bubblewrap works here; else what is wrong and the remedy."""
    return _probe(shutil.which("bwrap"))


@cache
def _probe(program: str | None) -> tuple[str, str] | None:
    if program is None:
        return "bubblewrap is not installed", _HINT
    argv = [program, "--die-with-parent", *_namespaces(), *_system(), "--proc", "/proc", "--dev", "/dev"]
    argv += ["--tmpfs", SCRATCH, "--", *_drop(), "/usr/bin/true"]
    try:
        tried = subprocess.run(argv, capture_output=True, check=False, timeout=_PROBE_S * 4)
    except subprocess.TimeoutExpired:
        return "bubblewrap hangs", "look at the kernel's log: dmesg"
    if tried.returncode == 0:
        return None
    said = tried.stderr.decode(errors="replace").strip().splitlines()
    reason = said[-1] if said else f"exit code {tried.returncode}"
    return f"bubblewrap cannot make a sandbox here ({reason})", _remedy()


def _remedy() -> str:
    for file, forbidding in _RESTRICTIONS.items():
        if Path(file).exists() and Path(file).read_text().strip() == forbidding:
            allowed = {"0": "1", "1": "0"}[forbidding] if "max" not in file else "10000"
            return f"sysctl -w {file.removeprefix('/proc/sys/').replace('/', '.')}={allowed}"
    return "run outside of containers, or use Docker: apt-get install docker.io, then: make image"


def _namespaces(capabilities: tuple[str, ...] = ()) -> list[str]:
    """Everything unshared. Root needs no user namespace, and becomes nobody for real instead.

    ``capabilities``: what the job keeps; outside a user namespace of its own only if we are root.
    """
    spaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-cgroup-try"]
    kept = [word for name in capabilities for word in ("--cap-add", name)]
    if os.getuid() == 0:
        return [
            *spaces,
            "--cap-drop",
            "ALL",
            "--cap-add",
            "CAP_SETUID",
            "--cap-add",
            "CAP_SETGID",
            *("--cap-add", "CAP_SETPCAP"),
            *kept,
        ]
    return [*spaces, "--unshare-user", "--uid", str(NOBODY), "--gid", str(NOBODY), *kept]


def _drop(capabilities: tuple[str, ...] = ()) -> list[str]:
    """Argv prefix that, inside, gives up root."""
    if os.getuid() != 0:
        return []
    return ["/usr/bin/setpriv", *as_nobody(capabilities), "--"]


def _folders_above(targets: list[str]) -> list[str]:
    """Make them first, and readable: bubblewrap's own would be root's alone."""
    system = {"/", SCRATCH, "/dev", "/proc", "/usr"}
    above = {str(folder) for target in targets for folder in PurePosixPath(target).parents} - system - set(targets)
    return [word for folder in sorted(above) for word in ("--perms", "0755", "--dir", folder)]


def _size(size_bytes: int) -> list[str]:
    return ["--size", str(size_bytes)] if _version() >= (0, 7) else []


@cache
def _version() -> tuple[int, ...]:
    said = subprocess.run(["bwrap", "--version"], capture_output=True, check=False, text=True).stdout
    return tuple(int(number) for number in said.split()[-1].split(".") if number.isdigit()) if said else ()


def _system() -> list[str]:
    argv = _folders_above(list(_DETAILS))
    for folder in _SYSTEM:
        if Path(folder).is_symlink():
            argv += ["--symlink", str(Path(folder).readlink()), folder]
        elif Path(folder).is_dir():
            argv += ["--ro-bind", folder, folder]
    for detail in _DETAILS:
        if Path(detail).exists():
            argv += ["--ro-bind", os.path.realpath(detail), detail]
    return argv


@contextmanager
def _options(status: int, instrumented: bool) -> Iterator[tuple[list[str], list[int]]]:
    """Options that name descriptors, and these descriptors, open as long as the context lasts."""
    options, fds = ["--json-status-fd", str(status)], [status]
    with ExitStack() as stack:

        def in_memory(content: bytes) -> str:
            fd = os.memfd_create("kernelwright")
            stack.callback(os.close, fd)
            os.write(fd, content)
            os.lseek(fd, 0, os.SEEK_SET)
            fds.append(fd)
            return str(fd)

        for target, text in _OWN_FILES.items():
            options += ["--perms", "0444", "--ro-bind-data", in_memory(text.encode()), target]
        if program := filter_program(instrumented):
            options += ["--seccomp", in_memory(program)]
        yield options, fds


def _kill(pidfd: int) -> None:
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return
