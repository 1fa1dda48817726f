"""What a candidate is given another try for, since as likely somebody else is to blame."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tools.contender import Rejected

T = TypeVar("T")

MAYBE_THE_MACHINES = frozenset({"timeout", "out_of_memory"})
"""After all went well once."""
SOMEBODY_ELSES = frozenset({"cheat.device_busy"})
"""One look sees that a device is not idle, and not whose work it does."""


def with_pardon(work: Callable[[], T]) -> T:
    """Do it, and once more, with another process of the candidate, where the device was busy: it may have been somebody
    else who had it, but hardly twice. Raises Rejected.
    """
    try:
        return work()
    except Rejected as error:
        if error.reason not in SOMEBODY_ELSES:
            raise
    return work()
