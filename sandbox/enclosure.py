"""What bounds a job's memory and processes when no container engine does it: the best this machine permits.

In this order: a control group of our own; a scope that the user's systemd makes (the way in for an ordinary user,
control groups v2); resource limits, which bind each process by itself and so are weaker.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Protocol

from sandbox.base import Limits
from sandbox.cgroup import Cgroup, find_home
from sandbox.spawning import launch_environment

_PROBE_S = 0.5
_numbers = itertools.count(1)


class Enclosure(Protocol):
    """The bounds around one job."""

    prefix: tuple[str, ...]
    """Argv that goes before whatever starts the job, on the host."""
    inner: tuple[str, ...]
    """Argv that goes right before the job's own, inside."""

    def kill(self) -> None:
        """Kill every process in it, as far as it knows them; idempotent."""

    def was_out_of_memory(self, exit_code: int) -> bool:
        """Whether memory ran out, judging by its own records or by how the job ended."""

    def remove(self) -> None:
        """Remove what was made for it; idempotent."""


class CgroupEnclosure:
    """A control group of our own: exact bounds, exact records, and no survivors."""

    def __init__(self, group: Cgroup) -> None:
        self._group = group
        self.prefix = group.prefix
        self.inner: tuple[str, ...] = ()

    def kill(self) -> None:
        """Kill every process of the group."""
        self._group.kill()

    def was_out_of_memory(self, exit_code: int) -> bool:
        """Ask the group's own counter."""
        return self._group.was_out_of_memory

    def remove(self) -> None:
        """Remove the group."""
        self._group.remove()


class ScopeEnclosure:
    """A transient scope of the user's systemd; it vanishes with its last process."""

    def __init__(self, limits: Limits) -> None:
        self._unit = f"kernelwright-{os.getpid()}-{next(_numbers)}.scope"
        self.prefix: tuple[str, ...] = (
            *("systemd-run", "--user", "--scope", "--quiet", "--collect", f"--unit={self._unit}"),
            *("-p", f"MemoryMax={limits.memory_bytes}", "-p", "MemorySwapMax=0"),
            *("-p", f"TasksMax={limits.processes}", "--"),
        )
        self.inner: tuple[str, ...] = ()

    def kill(self) -> None:
        """Ask systemd to kill the scope."""
        argv = ["systemctl", "--user", "--quiet", "kill", "--signal=SIGKILL", self._unit]
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(argv, stderr=subprocess.DEVNULL, check=False, timeout=10, env=launch_environment())

    def was_out_of_memory(self, exit_code: int) -> bool:
        """The scope and its counter are gone by now; a kill that is not ours was the kernel's."""
        return exit_code == -9

    def remove(self) -> None:
        """Nothing: systemd collects it."""


class RlimitEnclosure:
    """Resource limits. Memory is bounded per process (data, not address space, which CUDA reserves freely)."""

    def __init__(self, limits: Limits, counts_processes: bool) -> None:
        self.prefix: tuple[str, ...] = ()
        bounds = [f"--data={limits.memory_bytes}"]
        if counts_processes:
            bounds.append(f"--nproc={limits.processes}")
        self.inner: tuple[str, ...] = ("/usr/bin/prlimit", *bounds, "--")

    def kill(self) -> None:
        """Nothing: it knows no members."""

    def was_out_of_memory(self, exit_code: int) -> bool:
        """Never: a failed allocation is the job's own error here."""
        return False

    def remove(self) -> None:
        """Nothing was made."""


def enclose(limits: Limits, *, own_users: bool) -> Enclosure:
    """The strongest enclosure this machine permits. Raises SandboxError if it cannot be made now.

    ``own_users`` says that the job has a user, or a namespace of users, to itself. Only then may its user's processes
    be counted: an ordinary desktop has more of them than any job may have.
    """
    home = find_home()
    if home is not None:
        return CgroupEnclosure(Cgroup(home, limits))
    if _has_user_systemd():
        return ScopeEnclosure(limits)
    return RlimitEnclosure(limits, own_users and _counts_by_namespace())


def mechanisms(*, own_users: bool) -> dict[str, str]:
    """What holds ``memory`` and ``processes``, for people to read."""
    home = find_home()
    if home is not None:
        return {"memory": str(home), "processes": str(home)}
    if _has_user_systemd():
        return dict.fromkeys(("memory", "processes"), "systemd user scope (cgroup v2)")
    counted = own_users and _counts_by_namespace()
    return {"memory": "RLIMIT_DATA, per process", "processes": "RLIMIT_NPROC" if counted else "not enforced"}


def _counts_by_namespace() -> bool:
    """Whether the kernel counts processes per user namespace: it does since 5.14."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor.split("-")[0])) >= (5, 14)


@cache
def _has_user_systemd() -> bool:
    manager = Path(f"/run/user/{os.getuid()}/systemd/private")
    if not manager.exists() or not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        return False
    if shutil.which("systemd-run") is None:
        return False
    argv = ["systemd-run", "--user", "--scope", "--quiet", "--collect", "-p", "TasksMax=16", "--", "true"]
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=_PROBE_S, env=launch_environment())
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
