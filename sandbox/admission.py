"""What is checked and made ready before a job starts: its words, its environment, its mounts."""

from __future__ import annotations

import os
import resource
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from sandbox.base import GRANTABLE, Job, Limits, Mount
from sandbox.errors import SandboxError
from sandbox.ownership import make_folder

NOBODY = 65534
"""User and group inside, when the controller is root. Otherwise a job runs as the controller's own user, which
keeps what it writes to a mount removable."""

SCRATCH = "/tmp"  # noqa: S108 - the sandbox's own, not the host's
"""The scratch folder, as a job sees it; also its home."""

_STAGED_BYTES = 1 << 30
OPEN_FILES = 4096


@dataclass(frozen=True)
class User:
    """Who a job is, as the kernel sees it from outside."""

    uid: int
    gid: int


def sandbox_user() -> User:
    """Nobody when we are root, else ourselves."""
    return User(NOBODY, NOBODY) if os.getuid() == 0 else User(os.getuid(), os.getgid())


def accounts(user: User) -> str:
    """A password file that knows root and the sandbox's user: libraries ask for the name of who they run as."""
    return f"root:x:0:0::/:/bin/sh\nsandbox:x:{user.uid}:{user.gid}::{SCRATCH}:/bin/sh\n"


def check(job: Job) -> None:
    """Raises SandboxError, in one line, for a job that no sandbox could run as it is written."""
    if not job.argv or not job.argv[0] or "=" in job.argv[0]:
        raise SandboxError(f"a job needs a program to run, without '=' in its name: {job.argv!r}")
    if bad := [name for name in job.env if not name or "=" in name]:
        raise SandboxError(f"environment names must not be empty or hold '=': {bad!r}")
    if not job.cwd.startswith("/"):
        raise SandboxError(f"the working folder must be absolute: {job.cwd!r}")
    if any("\0" in text for text in (*job.argv, *job.env, *job.env.values(), job.cwd)):
        raise SandboxError("a job's arguments and environment must not hold NUL bytes")
    if bad := [name for name in job.capabilities if name not in GRANTABLE]:
        raise SandboxError(f"no job may have {', '.join(bad)}: there are {', '.join(sorted(GRANTABLE))}")
    for device in job.devices:
        if not Path(device).is_char_device():
            raise SandboxError(f"{device} is no device of this machine")
    for mount in job.mounts:
        inside = PurePosixPath(mount.target)
        if not inside.is_absolute() or ".." in inside.parts or inside == PurePosixPath("/"):
            raise SandboxError(f"a mount's target must be absolute and below the root: {mount.target!r}")
        if not mount.source.exists():
            raise SandboxError(f"cannot mount {mount.source}: there is no such file or folder")


def environment(job: Job, *, path: str, home: str) -> dict[str, str]:
    """All that a job finds in its environment; its own settings win."""
    return {"PATH": path, "HOME": home, "LANG": "C.UTF-8", **job.env}


def as_exact(variables: dict[str, str], limits: Limits) -> tuple[str, ...]:
    """Argv prefix that runs what follows with exactly these variables, bounded files and no core dumps.

    No file may outgrow the scratch folder: a mount has no bound of its own. One byte is the core size that the
    kernel heeds even where a program of the host collects the dumps.
    """
    # Few pending signals: timers of a stopped job would otherwise go on to keep a core busy.
    # Few open files: what lies unread in a socket is collected by the kernel later, while others are timed.
    files = min(OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    bounds = ("--core=1", "--sigpending=256", f"--nofile={files}", f"--fsize={limits.scratch_bytes}", "--")
    settings = (f"{name}={value}" for name, value in variables.items())
    return ("/usr/bin/prlimit", *bounds, "/usr/bin/env", "-i", *settings)


def as_nobody(capabilities: tuple[str, ...]) -> tuple[str, ...]:
    """Options of setpriv with which root becomes nobody, who has these capabilities and can get no others."""
    names = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in capabilities)
    kept = f"-all,{names}" if names else "-all"
    # What nobody is to have after the program was started must be ambient, and for that inheritable.
    ambient = (f"--ambient-caps={kept}",) if names else ()
    identity = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    return (*identity, f"--inh-caps={kept}", *ambient, f"--bounding-set={kept}", "--no-new-privs")


def by_depth(mounts: tuple[Mount, ...]) -> list[Mount]:
    """Outer ones first, so that an inner one is not hidden."""
    return sorted(mounts, key=lambda mount: len(PurePosixPath(mount.target).parts))


@contextmanager
def readied(mounts: tuple[Mount, ...]) -> Iterator[tuple[Mount, ...]]:
    """The mounts as the sandbox's user can use them; what had to be copied lasts as long as the context.

    Only a controller that is root needs this. Folders to write to are handed over to the user of the sandbox.
    Sources that only root can read are shown as a copy, so that the original keeps its owner and mode (the source
    itself is looked at, not what is below it).
    """
    user = sandbox_user()
    if os.getuid() != 0:
        yield mounts
        return
    stage: Path | None = None
    ready: list[Mount] = []
    try:
        for number, mount in enumerate(mounts):
            facts = mount.source.stat()
            if facts.st_uid == user.uid:
                ready.append(mount)
            elif mount.writable:
                hand_over(mount.source, user)
                ready.append(mount)
            elif _is_readable_by_others(facts):
                ready.append(mount)
            else:
                stage = stage or make_folder("stage")
                ready.append(replace(mount, source=_copy(mount.source, stage / str(number), user)))
        yield tuple(ready)
    finally:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)


def hand_over(source: Path, user: User) -> None:
    """Give ``source`` and all below it to ``user``, never following a link."""
    if not source.is_dir():
        os.chown(source, user.uid, user.gid)
        return
    for _, folders, files, descriptor in os.fwalk(source, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, user.uid, user.gid, dir_fd=descriptor, follow_symlinks=False)
    os.chown(source, user.uid, user.gid)


def _is_readable_by_others(facts: os.stat_result) -> bool:
    needed = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(facts.st_mode) else 0)
    return facts.st_mode & needed == needed


def _copy(source: Path, target: Path, user: User) -> Path:
    if source.is_dir():
        size = sum(file.lstat().st_size for file in source.rglob("*"))
        if size > _STAGED_BYTES:
            raise SandboxError(f"cannot show {source}: only root may read it; run: chmod -R a+rX {source}")
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copyfile(source, target)
        shutil.copymode(source, target)
    hand_over(target, user)
    return target
