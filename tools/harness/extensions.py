"""What was compiled before: torch's extensions (``load``, ``load_inline``), Triton's kernels. Runs inside a sandbox."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from torch.utils.file_baton import FileBaton

_NOT_OURS = (errno.EROFS, errno.EACCES, errno.EPERM)


def find_what_was_built() -> None:
    """Let torch import a module from a folder in which it cannot take its lock.

    torch locks a module's folder even if all it does is import. A candidate's calls are made in a worker that may
    only read what its build left, so nobody writes there and there is nothing to wait for. torch makes names for
    several modules of one name in the order of the calls, which is the same in both workers.
    """
    lock = FileBaton.try_acquire

    def try_acquire(baton: FileBaton) -> bool:
        try:
            return bool(lock(baton))
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
            return False  # as if another process were building: it waits for no lock and imports what there is

    FileBaton.try_acquire = try_acquire


def use_what_was_compiled() -> None:
    """Have Triton find what the build compiled, in a folder where it can put more: the build's own is read-only now."""
    built, cache = os.environ.get("KERNELWRIGHT_BUILD_DIR"), os.environ.get("TRITON_CACHE_DIR")
    if built and cache and built != cache and not Path(cache).exists():
        shutil.copytree(built, cache)
