"""Extensions that torch compiles (``load``, ``load_inline``), where they were built before. Runs inside a sandbox."""

from __future__ import annotations

import errno

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
