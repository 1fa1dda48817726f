"""Control groups, version 1 and 2: bounds on memory and processes that no job can talk its way out of."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sandbox.base import Limits
from sandbox.errors import SandboxError
from sandbox.ownership import is_orphaned, owner_tag

_PREFIX = "kernelwright-"
_SETTLE_S = 5.0
"""Dying processes leave their group a moment after they were killed."""

_LAUNCHER = 'while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done; shift; exec "$@"'
"""Joins every group named before ``--``, then becomes the command: whatever it starts is inside already."""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Home:
    """Where groups may be made: the parent folder of each controller's hierarchy (the same one in version 2)."""

    version: int
    memory: Path
    pids: Path

    def __str__(self) -> str:
        return f"cgroup v{self.version}"


class Cgroup:
    """One job's control group. Made with its limits set; ``kill`` and ``remove`` when done."""

    def __init__(self, home: Home, limits: Limits) -> None:
        self._home = home
        name = f"{_PREFIX}{owner_tag()}-{next(_numbers)}"
        self._memory = home.memory / name
        self._pids = home.pids / name
        try:
            for folder in {self._memory, self._pids}:
                folder.mkdir()
            self._set(limits)
        except OSError as error:
            self.remove()
            raise SandboxError(f"cannot make a control group in {error.filename}: {error.strerror}") from error

    def _set(self, limits: Limits) -> None:
        if self._home.version == 2:
            (self._memory / "memory.max").write_text(str(limits.memory_bytes))
            _write_if_there(self._memory / "memory.swap.max", "0")
            _write_if_there(self._memory / "memory.oom.group", "1")
        else:
            (self._memory / "memory.limit_in_bytes").write_text(str(limits.memory_bytes))
            _write_if_there(self._memory / "memory.memsw.limit_in_bytes", str(limits.memory_bytes))
            _write_if_there(self._memory / "memory.swappiness", "0")
        (self._pids / "pids.max").write_text(str(limits.processes))

    @property
    def prefix(self) -> tuple[str, ...]:
        """Argv to put before a command so that it and all its children run in this group."""
        files = sorted({str(folder / "cgroup.procs") for folder in (self._memory, self._pids)})
        return ("/bin/sh", "-c", _LAUNCHER, "sh", *files, "--")

    @property
    def was_out_of_memory(self) -> bool:
        """Whether the kernel killed a process of this group for memory."""
        name = "memory.events" if self._home.version == 2 else "memory.oom_control"
        with contextlib.suppress(OSError):
            for line in (self._memory / name).read_text().splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value) > 0
        return False

    def kill(self) -> None:
        """Kill every process of the group and wait until none is left; idempotent."""
        if not self._pids.exists():
            return
        # No new ones while the old ones are being killed: a fork bomb would win that race.
        _write_if_there(self._pids / "pids.max", "0")
        _write_if_there(self._pids / "cgroup.kill", "1")
        _kill_members(self._pids)

    def remove(self) -> None:
        """Remove the group's folders; idempotent. What cannot be removed now, the next ``sweep_groups`` removes."""
        for folder in {self._memory, self._pids}:
            _remove(folder)


@cache
def find_home() -> Home | None:
    """Where this process may make groups, or None."""
    return _version_2() or _version_1()


def sweep_groups() -> None:
    """Kill and remove the groups of controllers that are dead."""
    home = find_home()
    if home is None:
        return
    for parent in {home.memory, home.pids}:
        for folder in parent.glob(f"{_PREFIX}*"):
            if is_orphaned(folder.name.removeprefix(_PREFIX).rpartition("-")[0]):
                _kill_members(folder)
                _remove(folder)


def _kill_members(folder: Path) -> None:
    for _ in _retries():
        try:
            members = (folder / "cgroup.procs").read_text().split()
        except OSError:
            return
        if not members:
            return
        for pid in members:
            if pid != "0":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


def _remove(folder: Path) -> None:
    for _ in _retries():
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            continue
        return


def _retries() -> Iterator[None]:
    """At once, then at growing pauses, until the settling time is over."""
    deadline, pause = time.monotonic() + _SETTLE_S, 0.0005
    while time.monotonic() < deadline:
        yield
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def _write_if_there(file: Path, text: str) -> None:
    with contextlib.suppress(OSError):
        file.write_text(text)


def _version_2() -> Home | None:
    own = _own_paths().get("")
    mount = _mounts().get("")
    if own is None or mount is None:
        return None
    # Nearest ancestor first: only a group without processes of its own (or the root) may hand out controllers.
    for parent in (place := mount / own.lstrip("/"), *place.parents):
        if not parent.is_relative_to(mount):
            break
        if _hands_out(parent) and _can_make_group(parent):
            return Home(2, parent, parent)
    return None


def _hands_out(parent: Path) -> bool:
    control = parent / "cgroup.subtree_control"
    try:
        if {"memory", "pids"} <= set(control.read_text().split()):
            return True
        control.write_text("+memory +pids")
    except OSError:
        return False
    return True


def _version_1() -> Home | None:
    own, mounts = _own_paths(), _mounts()
    parents: list[Path] = []
    for controller in ("memory", "pids"):
        mount = mounts.get(controller)
        if mount is None or controller not in own:
            return None
        place = mount / own[controller].lstrip("/")
        # In a container the path may be told as the host sees it; then the mount itself is our group.
        parents.append(place if place.is_dir() else mount)
    if not all(map(_can_make_group, parents)):
        return None
    return Home(1, *parents)


def _can_make_group(parent: Path) -> bool:
    probe = parent / f"{_PREFIX}{owner_tag()}-{next(_numbers)}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    # Joining means writing here too, for every ancestor that we and the new group have in common.
    return os.access(parent / "cgroup.procs", os.W_OK)


def _own_paths() -> dict[str, str]:
    """Controller to this process's group; the key of version 2 is the empty string."""
    paths: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _mounts() -> dict[str, Path]:
    """Controller to where its hierarchy is mounted; the key of version 2 is the empty string."""
    mounts: dict[str, Path] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, place, kind, options, *_ = line.split()
            if kind == "cgroup2":
                mounts.setdefault("", Path(place))
            elif kind == "cgroup":
                mounts.update(dict.fromkeys(options.split(","), Path(place)))
    return mounts
