"""A contender's inputs and outputs on a device, seen from the controller: places are decided here, values put by the
verifier while the contender is held.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

from sandbox.base import Mount
from sandbox.handing import Door
from tools.arena import Arena, Layout, Seen
from tools.device.bank import Bank, DeviceBytes, Ref, Region
from tools.errors import JudgeUnavailable
from tools.harness.wire import ARENA_TABLE, ITEM_BYTES
from tools.inputs import Draw, InputSet
from tools.worker import Worker

IDLE_S = 3e-3
"""Longer than a turn on a device that two processes share: 1.7 to 2.5 ms on an H200 (2026-11-28)."""
PROBES = 3
"""Another process that starts, such as the next candidate's, has the device for a moment too."""
SOMEBODY_ELSES_S = 1e-3
"""An idle H200 kept the verifier waiting for at most 64 ns, and once for 0.3 ms, while another context was made."""
UNSEEN_S = 100e-6
"""The same while inputs are put in place; by estimate less than any turn of another process takes."""
DISTURBED = 2
"""Windows of a contender whose inputs may be put in place a second time because the device was somebody else's: a third
of the fewest that are timed, too few to change a median.
"""
UNSEEN = 5
"""The same where nobody could look; that is no contender's fault."""


class DeviceArena(Arena):
    """The table of outputs is in a file, as without a device; inputs and outputs are on the device."""

    def __init__(self, path_inside: Callable[[Mount], str], tables: Mount) -> None:
        """``tables``: a folder that the verifier sees, where the file is made."""
        super().__init__(str(tables.source))
        self._table = f"{path_inside(tables)}/{self.mount.source.name}"
        self.door = Door()
        self._door_inside = path_inside(self.door.mount)
        self._bank: Bank | None = None
        self._pool: Region | None = None
        self._inputs: Region | None = None
        self._bases = [0, 0]
        """Of inputs and pool, as the worker has mapped them."""
        self._is_resting = False
        """It has done nothing since its last window."""
        self._disturbed = self._unseen = 0
        self._is_suspect = False
        self.gaps_s: list[float] = []
        """For how long at most the device was somebody else's, by window, while inputs were put in place."""
        self._guards: list[list[int]] = []
        self._values: list[tuple[int, Ref]] = []
        self._stop = -1
        self._early = False
        self._calls: list[list[int]] = []
        """Sizes of what the calls of this window answer."""

    def attach(self, worker: Worker, bank: Any) -> None:
        """Give the worker its regions, before any code but ours runs there. Raises WorkerFailed."""
        assert bank.inputs is not None
        self._bank = bank
        self._pool = bank.create(bank.pool_bytes)
        # Those who can be trusted share one; nobody else is to write to what they are given.
        self._inputs = bank.inputs if worker.is_trusted else bank.create(bank.inputs.size)
        regions = (self._inputs, self._pool)
        body = {"socket": self._door_inside, "sizes": [region.size for region in regions]}
        worker.fetch("attach", body, lambda: self.door.hand_over([region.descriptor for region in regions]))
        self._bases = (self.addresses() or [0, 0])[:2]
        bank.ask("table", {"region": self._pool.number, "path": self._table})
        super().forget_name()

    @property
    def most_calls(self) -> int:
        """See ``Arena``: what the device had room for."""
        return int(self._needed_bank().calls)

    def forget_name(self) -> None:
        """Not yet: the verifier has to find it too."""

    def place(
        self, sets: Sequence[Draw], *, misaligned: bool = False, fenced: bool = False, again: bool = False
    ) -> dict[str, Any]:
        """See ``Arena.place``. ``fenced``: the last tensor ends where the region does."""
        bank = self._needed_bank()
        for item in sets:
            if isinstance(item, InputSet):
                bank.sizes[item.case, item.rows] = [leaf.leaf.size_bytes for leaf in item.expected]
        try:
            self._calls = [bank.sizes[item.case, item.rows if isinstance(item, InputSet) else None] for item in sets]
        except KeyError as error:
            raise JudgeUnavailable(f"nobody knows yet how large the outputs of case {error} are") from error
        assert self._inputs is not None
        layout = self._laid_out(sets, misaligned=misaligned, fenced=False, again=again)
        if layout.end > self._inputs.size:
            raise JudgeUnavailable(f"{layout.end} bytes of inputs do not fit into the {self._inputs.size} for them")
        if fenced:
            _push_to_the_end(layout, self._inputs.size)
        self._guards = [[offset, len(raw), raw[0]] for offset, raw in layout.written if isinstance(raw, bytes)]
        self._values = [(offset, raw.ref) for offset, raw in layout.written if not isinstance(raw, bytes)]
        return {"arena": self._size, "calls": layout.calls, "fences": []}

    def fill(self, *, suspicious: bool = False) -> None:
        """Put the values at their places. The worker is held; ``suspicious``: from now until its window opens its
        device has to be idle, and its memory as it was.
        """
        self.clear_table()
        self._is_suspect = suspicious
        look_s = IDLE_S if suspicious else 0.0
        self._ask("fill", {"values": self._values, "guards": self._guards, "look_s": look_s})

    def _asked_idle(self) -> tuple[float, bool]:
        gap_s, same = self._needed_bank().ask("idle", {"region": self._pool_number(), "for_s": IDLE_S})
        return math.inf if gap_s is None else float(gap_s), bool(same)

    def what_changed(self) -> str | None:
        """See ``Arena``."""
        found = self._ask("changed", {"values": self._values, "guards": self._guards})
        return None if found is None else str(found)

    def spoil(self) -> None:
        """See ``Arena``."""
        self._ask("spoil", {"values": self._values})

    def arm(self) -> tuple[str, str] | None:
        """See ``Arena``. What nobody saw from beginning to end is done again, a few times for each contender."""
        bank, self._early = self._needed_bank(), False
        body = {"region": self._pool_number(), "is_resting": self._is_suspect and self._is_resting}
        while True:
            found = bank.ask("arm", body)
            self._early |= bool(found["early"])
            gap_s = found["gap_s"]
            if not self._is_suspect:
                return None
            if not found["rested"]:
                return "cheat.off_the_clock", "it wrote to its memory on the device while no clock was running"
            if gap_s is not None and gap_s <= UNSEEN_S:
                self.gaps_s.append(gap_s)
                return None
            if gap_s is None:
                if self._unseen == UNSEEN:
                    raise JudgeUnavailable("nobody could look whether the device is idle while inputs are put there")
                self._unseen += 1
            else:
                if self._disturbed == DISTURBED:
                    detail = f"the device was busy for {gap_s * 1e3:.2g} ms while inputs were put there, again"
                    return "cheat.device_busy", detail
                self._disturbed += 1
            self.fill(suspicious=True)
            bank.ask("flush", {})

    def note(self) -> str:
        """See ``Arena``."""
        if not self.gaps_s:
            return ""
        again = self._disturbed + self._unseen
        return (
            f"while inputs were put in place, {len(self.gaps_s)} times, the device was somebody else's for at most "
            f"{max(self.gaps_s) * 1e6:.3g} us; {again} times it was done again"
        )

    def watch(self, for_s: float) -> None:
        """Have the verifier wait for the outputs of a window that is about to be let go."""
        sizes = [size for call in self._calls for size in call]
        bases = [[region.number, base] for region, base in self._homes()]
        bank, number = self._needed_bank(), self._pool_number()
        self._is_resting = False
        self._stop = os.dup(self._file)  # the worker may end, and its file with it, before the verifier is told
        bank.begin("watch", {"region": number, "sizes": sizes, "bases": bases, "for_s": for_s})

    def give_up(self) -> None:
        """There will be none: have the verifier see something, and forget it."""
        os.pwrite(self._stop, ARENA_TABLE.pack(1) + ARENA_TABLE.pack(0), 0)
        self.seen()

    def seen(self) -> Seen:
        """See ``Arena``."""
        try:
            found = self._needed_bank().end()
        finally:
            os.close(self._stop)
        return Seen(list(found["addresses"]), float(found["at"]), self._early)

    def _homes(self) -> list[tuple[Region, int]]:
        """The regions in which an output may lie, and where the worker has mapped them: its pool, and its inputs, of
        which an output may be a view.
        """
        assert self._inputs is not None
        assert self._pool is not None
        return [(self._pool, self._bases[1]), (self._inputs, self._bases[0])]

    def trouble(self) -> tuple[str, str] | None:
        """What the device shows of a contender that said it was done: reason and one line, None if it is idle."""
        for _ in range(PROBES):
            gap_s, same = self._asked_idle()
            if not same:
                return "cheat.late_work", "its outputs were still being written when it said that it was done"
            if gap_s <= SOMEBODY_ELSES_S:
                self._is_resting = True
                return None
        return "cheat.device_busy", "the device was still working for it when it said that it was done"

    def disturb(self) -> None:
        """It is asked for something else than windows: what it does then is its own affair."""
        self._is_resting = False

    def read(self, worker: Worker, address: int, size: int) -> DeviceBytes | None:
        """An output, as it lies there until the next window."""
        bank = self._needed_bank()
        for region, base in self._homes():
            if not size or 0 <= address - base <= region.size - size:
                return DeviceBytes(bank, ["region", region.number, address - base if size else 0, size], size)
        return None

    def close(self) -> None:
        """Give back the pool and what else is the worker's; idempotent."""
        super().forget_name()
        super().close()
        self.door.close()
        if self._bank is not None and self._pool is not None:
            self._bank.release(self._pool)
            if self._inputs is not None and self._inputs is not self._bank.inputs:
                self._bank.release(self._inputs)
            self._pool = None

    def _needed_bank(self) -> Bank:
        assert self._bank is not None
        return self._bank

    def _pool_number(self) -> int:
        assert self._pool is not None
        return self._pool.number

    def _ask(self, op: str, body: dict[str, Any]) -> Any:
        assert self._inputs is not None
        return self._needed_bank().ask(op, {"region": self._inputs.number, **body})


def _push_to_the_end(layout: Layout, end: int) -> None:
    """Have the last tensor end where the region does, and no guard behind it."""
    places = next((call["tensors"] for call in reversed(layout.calls) if call["tensors"]), None)
    if places is None:
        return
    *_, (start, raw), _ = layout.written
    moved = (end - len(raw)) // ITEM_BYTES[places[-1][0]] * ITEM_BYTES[places[-1][0]]
    places[-1][-1] = moved
    layout.written[-3:] = [(moved - (start - layout.written[-3][0]), layout.written[-3][1]), (moved, raw)]
