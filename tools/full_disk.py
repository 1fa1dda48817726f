"""A disk without space: what an error of it looks like, and what a writer does that is told to wait."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

WhenFull = Callable[[OSError], None]
"""Called with the error of a write that found no space: returns when there is sense in trying again, or raises."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(error: OSError) -> bool:
    """Whether it says that the disk, or the user's share of it, has no space left."""
    return error.errno in _FULL


def patiently(write: Callable[[], T], when_full: WhenFull | None) -> T:
    """Write; as long as there is no space, ask ``when_full`` and write again. ``write`` leaves nothing half done."""
    while True:
        try:
            return write()
        except OSError as error:
            if when_full is None or not is_full(error):
                raise
            when_full(error)
