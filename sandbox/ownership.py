"""Who made a thing that may outlive its maker, so that the next controller can clear away what a dead one left."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

_SEPARATOR = "."
_FOLDER = "kernelwright-"


def owner_tag() -> str:
    """The calling process, unmistakably: boot, process namespace, process id and its start time."""
    return _SEPARATOR.join((_here(), str(os.getpid()), _start_time(os.getpid())))


def is_orphaned(tag: str) -> bool:
    """Whether the process that ``owner_tag`` named is dead. False when that cannot be known from here."""
    try:
        boot, namespace, pid, start = tag.split(_SEPARATOR)
    except ValueError:
        return False
    here_boot, here_namespace = _here().split(_SEPARATOR)
    if boot != here_boot:
        return True
    return namespace == here_namespace and _start_time(int(pid)) != start


@cache
def _here() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    return f"{boot}{_SEPARATOR}{Path('/proc/self/ns/pid').stat().st_ino}"


def _start_time(pid: int) -> str:
    """Clock ticks after boot at which ``pid`` began; empty when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The name, in parentheses, may hold spaces; the state is the first field after it, the start the 20th.
    fields = stat[stat.rindex(")") + 2 :].split()
    return "" if fields[0] in "ZX" else fields[19]


def make_folder(purpose: str) -> Path:
    """A temporary folder of the calling process that ``sweep_folders`` removes should its owner die."""
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{owner_tag()}-{purpose}-"))


def sweep_folders() -> None:
    """Remove the temporary folders of our user's dead processes."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        tag = folder.name.removeprefix(_FOLDER).split("-")[0]
        with suppress(OSError):
            if is_orphaned(tag) and folder.lstat().st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)
    for place in (Path(tempfile.gettempdir()), Path("/dev/shm")):  # noqa: S108 - where memory files were made
        for file in place.glob(f"{_FOLDER}*-arena-*"):
            with suppress(OSError):
                if is_orphaned(file.name.removeprefix(_FOLDER).split("-")[0]):
                    file.unlink()
