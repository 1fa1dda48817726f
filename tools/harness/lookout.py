"""Looking out for the outputs of a window: when they are there, whether they stay, and whether anything is done on the
device while nobody's clock runs. Runs inside a sandbox, in the verifier.
"""

from __future__ import annotations

import os
import time
from typing import Any

import torch

from tools.harness.device_memory import DeviceMemory, Region
from tools.harness.wire import ARENA_TABLE, MAX_CALLS, MAX_LEAVES

SAMPLES = 8192
"""Bytes of a window's outputs that are read before its clock stops."""


class Lookout:
    """Of all contenders that have a region in ``regions``; they are told apart by its number."""

    def __init__(self, memory: DeviceMemory, regions: dict[int, Region]) -> None:
        self._memory = memory
        self._regions = regions
        self._tables: dict[int, int] = {}
        self._sampled: list[tuple[int, torch.Tensor, torch.Tensor]] = []
        self._chances = torch.zeros(2, 0, dtype=torch.float64)
        self._resting: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        """By region, what was read all over it when its last window ended."""

    def forget(self, number: int) -> None:
        """A region is given up."""
        table = self._tables.pop(number, None)
        self._resting.pop(number, None)
        self._sampled = [item for item in self._sampled if item[0] != number]
        if table is not None:
            os.close(table)

    def table(self, body: dict[str, Any]) -> None:
        """Open the table in which the contender that owns a region will say where its outputs lie."""
        # Never mapped: who cuts the file short would end this process.
        self._tables[body["region"]] = os.open(body["path"], os.O_RDONLY | os.O_CLOEXEC)

    def _addresses(self, region: int, most: int) -> list[int]:
        raw = os.pread(self._tables[region], ARENA_TABLE.size * (1 + most), 0)
        if len(raw) < ARENA_TABLE.size:
            return []
        (count,) = ARENA_TABLE.unpack_from(raw)
        count = min(count, most, len(raw) // ARENA_TABLE.size - 1)
        return [ARENA_TABLE.unpack_from(raw, ARENA_TABLE.size * (1 + index))[0] for index in range(count)]

    def arm(self, body: dict[str, Any]) -> dict[str, Any]:
        """Get ready for ``watch``. The contender is held: ``early``: it has said something already; ``gap_s``: for how
        long at a stretch the device was somebody else's since ``fill``, None if nobody looked all the while;
        ``rested``: what was read all over its memory when its last window ended is still there.
        """
        gap_s = self._memory.end_looking()
        self._sampled = []
        self._chances = torch.rand(2, SAMPLES, dtype=torch.float64)
        number = body["region"]
        rested = not body["is_resting"] or self._is_as_it_was(number)
        return {"early": bool(self._addresses(number, 1)), "gap_s": gap_s, "rested": rested}

    def _is_as_it_was(self, number: int) -> bool:
        places, before = self._resting[number]
        return bool((self._regions[number].bytes[places] == before).all())

    def watch(self, body: dict[str, Any]) -> dict[str, Any]:
        """Wait until the contender says where its outputs lie, and read some bytes of them, chosen by lot before.

        ``at``: when that was done, by ``time.perf_counter``; ``addresses``: what it said then, and nothing that it says
        later counts. What a contender has left to the device to finish is either done by then, and so on its clock, or
        seen not to be there. It is looked for without pause: a message would take as long as a small operator.
        """
        number = body["region"]
        deadline = time.monotonic() + body["for_s"]
        while not self._addresses(number, 1):
            if time.monotonic() > deadline:
                return {"at": time.perf_counter(), "addresses": []}
            os.sched_yield()  # the contender may need this processor
        found = self._addresses(number, MAX_CALLS * MAX_LEAVES)
        self._sample(found, body["sizes"], body["bases"])
        self._memory.settle()
        return {"at": time.perf_counter(), "addresses": found}

    def _sample(self, addresses: list[int], sizes: list[int], bases: list[list[int]]) -> None:
        """Read bytes of what lies at these addresses. ``bases``: number and address of the regions they may be in."""
        for number, base in bases:
            region = self._regions[number]
            pieces = [
                (address - base, size)
                for address, size in zip(addresses, sizes, strict=False)
                if size and 0 <= address - base <= region.size - size
            ]
            if pieces:
                table = torch.tensor(pieces)
                which = (self._chances[0] * len(pieces)).long()
                places = table[which, 0] + (self._chances[1] * table[which, 1]).long()
                self._sampled.append((number, places, region.bytes[places]))

    def _look_at_rest(self, number: int) -> None:
        """Read bytes all over a region, where nobody knows: what is prepared while no clock runs shows as a change."""
        bytes_ = self._regions[number].bytes
        anywhere = (torch.rand(SAMPLES * 8, dtype=torch.float64) * len(bytes_)).long()
        self._resting[number] = anywhere, bytes_[anywhere]

    def idle(self, body: dict[str, Any]) -> list[Any]:
        """For how long at most the device was somebody else's in a stretch of time (None if nobody could look), and
        whether what ``watch`` read of the outputs is still there. What lies all over the region then has to stay.
        """
        self._memory.begin_looking(body["for_s"])
        gap_s = self._memory.end_looking()
        same = all(bool((self._regions[number].bytes[places] == was).all()) for number, places, was in self._sampled)
        self._look_at_rest(body["region"])  # not earlier: buffers that calls update were being put back
        return [gap_s, same]
