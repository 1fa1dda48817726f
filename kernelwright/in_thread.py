"""Awaiting what blocks: it runs in a thread, and cancelling asks it to stop and waits until it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from agent.stopping import StopFlag

T = TypeVar("T")


async def in_thread(work: Callable[[], T], stop: StopFlag) -> T:
    """What ``work`` returns or raises.

    Cancelled, it sets ``stop`` and raises CancelledError only once ``work`` has ended: until then it holds the
    machine, and its state is not yet on disk. Nobody can end a thread from outside.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
            stop.request("cancellation")
    if cancelled is not None:
        raise cancelled from task.exception()
    return task.result()
