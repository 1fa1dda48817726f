"""Where profilers' own programs lie on this machine, and what a sandbox has to be shown of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from sandbox.base import Isolation, Mount

_PLACES = {
    # The program itself: what the toolkit puts on the path is a script that looks for it.
    "ncu": ("/opt/nvidia/nsight-compute/*/ncu", "/usr/local/cuda*/nsight-compute-*/ncu", "/usr/local/cuda*/bin/ncu"),
    "nsys": ("/opt/nvidia/nsight-systems/*/bin/nsys", "/usr/local/cuda*/bin/nsys"),
    "compute-sanitizer": (
        "/usr/local/cuda*/compute-sanitizer/compute-sanitizer",
        "/usr/local/cuda*/bin/compute-sanitizer",
    ),
}
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64")
_VENDOR = Path("/opt/nvidia")


def find_program(name: str) -> Path | None:
    """The newest installed one, links resolved; else the one on the path."""
    found = sorted({path.resolve() for pattern in _PLACES.get(name, ()) for path in _glob(pattern)}, key=_version)
    if found:
        return found[-1]
    on_path = shutil.which(name)
    return Path(on_path).resolve() if on_path else None


def mounts_for(tool: Path | None, isolation: Isolation) -> tuple[Mount, ...]:
    """Folders that it needs and that no job sees by itself, each at its own place."""
    if tool is None or isolation is Isolation.PROCESS:
        return ()
    homes = {_VENDOR} if _VENDOR.is_dir() else set()
    home = tool.parent.parent
    if str(home) not in ("/", "/opt", "/usr", "/usr/local", "/home", "/root"):
        homes.add(home)
    if isolation is not Isolation.DOCKER:
        homes = {folder for folder in homes if not str(folder).startswith(tuple(f"{root}/" for root in _SYSTEM))}
    outer = [folder for folder in homes if not any(folder != other and folder.is_relative_to(other) for other in homes)]
    return tuple(Mount(folder, str(folder)) for folder in sorted(outer))


def _glob(pattern: str) -> Iterator[Path]:
    return (path for path in Path("/").glob(pattern.lstrip("/")) if path.is_file())


def _version(path: Path) -> tuple[bool, list[int], str]:
    """Programs before scripts beside them, then by the numbers in the path."""
    words = str(path).replace("-", "/").replace(".", "/").split("/")
    return path.parent.name != "bin", [int(word) for word in words if word.isdigit()], str(path)
