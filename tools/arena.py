"""The controller's view of a worker's arena: it alone decides what lies there, and when.

Inputs are written while the worker is held, so that no code of a candidate has seen them when its clock starts. They
are surrounded by guard zones, at places drawn by lot. All access is by descriptor: a worker may cut the file
short, and a mapping of ours would then kill us.
"""

from __future__ import annotations

import os
import random
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.base import Mount
from sandbox.ownership import owner_tag
from tools.errors import JudgeUnavailable
from tools.harness.wire import ARENA_HEADER_BYTES, ARENA_TABLE, ITEM_BYTES, MAX_CALLS, MAX_LEAVES
from tools.inputs import Draw

if TYPE_CHECKING:
    from tools.worker import Worker

TARGET = "/arena"
GUARD_BYTES = 512
ALIGNMENT = 64
SHIFTS = 64
"""A tensor begins at one of so many places, ``ALIGNMENT`` apart: 0 to 4 KiB further than it must."""
PAGE_BYTES = 4096
FENCE_BYTES = 8 * PAGE_BYTES
CHUNK = 1 << 24
SPARE_BYTES = 16 << 20
"""What a file system may give a file besides its length: large pages, extents."""
ROOM_BYTES = 1 << 30
TURNED = bytes(255 - value for value in range(256))
POISONS = (0xFF, 0x7B)
"""What guard zones hold: as floating numbers NaN, or numbers too large to be overlooked."""


def roomy_folder() -> str | None:
    """Where memory files go; None for wherever temporary files do, if there is no room for them (containers)."""
    try:
        facts = os.statvfs("/dev/shm")  # noqa: S108 - not a place for secrets: inputs are random numbers
    except OSError:
        return None
    roomy = facts.f_bavail * facts.f_frsize >= ROOM_BYTES and os.access("/dev/shm", os.W_OK)  # noqa: S108
    return "/dev/shm" if roomy else None  # noqa: S108


def _up(number: int, unit: int) -> int:
    """The next multiple."""
    return -(-number // unit) * unit


class Seen(NamedTuple):
    """The end of a window."""

    addresses: list[int]
    """Of the outputs; nothing that is said later counts."""
    at: float | None = None
    """By ``time.perf_counter``; None where that is when its worker stood still."""
    early: bool = False
    """It had said something before it was let go."""


class Layout(NamedTuple):
    """Where things lie."""

    end: int
    calls: list[dict[str, Any]]
    """For the worker."""
    fences: list[list[int]]
    written: list[tuple[int, Any]]
    """Guard, input, guard, for every tensor."""


class Arena:
    """A file in memory that is shared with one worker."""

    def __init__(self, folder: str | None = None) -> None:
        """``folder``: where the file is made, if not wherever there is room for it."""
        self._file, name = tempfile.mkstemp(prefix=f"kernelwright-{owner_tag()}-arena-", dir=folder or roomy_folder())
        self._path: Path | None = Path(name)
        self.mount = Mount(self._path, TARGET, writable=True)
        self._size = ARENA_HEADER_BYTES
        self._seed = 0
        self._written: list[tuple[int, Any]] = []
        os.ftruncate(self._file, self._size)

    @property
    def most_calls(self) -> int:
        """Of a window: there is no room for the inputs of more."""
        return MAX_CALLS

    def forget_name(self) -> None:
        """The worker has opened it: nobody else needs to find it. Idempotent."""
        path, self._path = self._path, None
        if path is not None:
            with suppress(OSError):
                path.unlink()

    def place(
        self, sets: Sequence[Draw], *, misaligned: bool = False, fenced: bool = False, again: bool = False
    ) -> dict[str, Any]:
        """Places for one call on each of ``sets``: what the worker has to know of them.

        Each place is drawn anew, unless ``again``: then it is where the last sets of these sizes were, so that other
        values lie at known addresses. ``misaligned``: one element off any alignment. ``fenced``: each tensor ends
        where a page does, and the pages after it are not to be touched.
        """
        layout = self._laid_out(sets, misaligned=misaligned, fenced=fenced, again=again)
        self._written = layout.written
        self._size = max(self._size, layout.end)
        try:
            os.ftruncate(self._file, self._size)
            os.posix_fallocate(self._file, 0, self._size)  # or else a worker would die of touching it
        except OSError as error:
            raise JudgeUnavailable(f"no shared memory for {self._size} bytes of inputs: {error.strerror}") from error
        return {"arena": self._size, "calls": layout.calls, "fences": layout.fences}

    def _laid_out(self, sets: Sequence[Draw], *, misaligned: bool, fenced: bool, again: bool) -> Layout:
        if len(sets) > MAX_CALLS:
            raise ValueError(f"at most {MAX_CALLS} calls")
        self._seed = self._seed if again else secrets.randbits(64)
        lot = random.Random(self._seed)  # noqa: S311 - seeded from the system's entropy
        poison = bytes([lot.choice(POISONS)]) * GUARD_BYTES
        cursor, calls, fences = ARENA_HEADER_BYTES, [], []
        written: list[tuple[int, Any]] = []
        for item in sets:
            places = []
            for packed, raw in zip(item.packed, item.inputs, strict=True):
                start = cursor + GUARD_BYTES + ALIGNMENT * lot.randrange(SHIFTS)
                start += ITEM_BYTES[packed[0]] if misaligned else 0
                if fenced:
                    start = _up(start + len(raw), PAGE_BYTES) - len(raw)
                    fences.append([start + len(raw), FENCE_BYTES])
                written += [(start - GUARD_BYTES, poison), (start, raw), (start + len(raw), poison)]
                places.append([*packed, start])
                cursor = _up(start + len(raw) + (FENCE_BYTES if fenced else GUARD_BYTES), ALIGNMENT)
            calls.append({"spec": item.spec, "tensors": places})
        return Layout(cursor, calls, fences, written)

    def fill(self, *, suspicious: bool = False) -> None:
        """Put the values at their places. The worker is held."""
        self.clear_table()
        for offset, raw in self._written:
            self._write(raw, offset)

    def clear_table(self) -> None:
        """No outputs yet."""
        os.pwrite(self._file, bytes(ARENA_TABLE.size), 0)

    def write_table(self, addresses: Sequence[int]) -> None:
        """What a worker writes there."""
        os.pwrite(self._file, b"".join(map(ARENA_TABLE.pack, (len(addresses), *addresses))), 0)

    def attach(self, worker: Worker, bank: Any) -> None:
        """Nothing to do: the worker has mapped the file."""

    def arm(self) -> tuple[str, str] | None:
        """A window is about to open: reason and one line if something was prepared for it, as far as is seen here."""
        return None

    def watch(self, for_s: float) -> None:
        """A window is about to be let go: look out for its outputs, for so long at most."""

    def give_up(self) -> None:
        """There will be none."""

    def seen(self) -> Seen:
        """What it said of its outputs, and when they were there."""
        return Seen(self.addresses() or [])

    def trouble(self) -> tuple[str, str] | None:
        """Reason and one line if work of a window goes on although its worker stands still."""
        return None

    def note(self) -> str:
        """How idle the device was, for the reader of a verdict; empty where there is none."""
        return ""

    def disturb(self) -> None:
        """The worker is asked for something else than a window."""

    def read(self, worker: Worker, address: int, size: int) -> Any:
        """An output, from the memory of the worker, which is held; None for what it does not have."""
        return worker.read_memory(address, size)

    def _write(self, raw: bytes | bytearray, offset: int) -> None:
        view = memoryview(raw)
        try:
            while view:
                count = os.pwrite(self._file, view, offset)
                view, offset = view[count:], offset + count
        except OSError as error:
            raise JudgeUnavailable(f"no shared memory for inputs: {error.strerror}") from error

    def what_changed(self) -> str | None:
        """``guard`` or ``input`` if the worker wrote over one, else None. The worker is held."""
        found = None
        for number, (offset, raw) in enumerate(self._written):
            if not self._holds(offset, raw):
                if number % 3 != 1:
                    return "guard"
                found = "input"
        return found

    def has_its_size(self) -> bool:
        """Whether the file is as long as it was made, with memory for all of it and not much more.

        One that grows would take the memory in which others' inputs have to be put; one with holes would have none
        for its own.
        """
        facts = os.fstat(self._file)
        held = facts.st_blocks * 512
        least = self._size // PAGE_BYTES * PAGE_BYTES if self._written else 0
        return facts.st_size == self._size and least <= held <= self._size + SPARE_BYTES

    def spoil(self) -> None:
        """Turn over every bit of the inputs. The worker is held."""
        for offset, raw in self._written[1::3]:
            for start in range(0, len(raw), CHUNK):
                self._write(bytes(raw[start : start + CHUNK]).translate(TURNED), offset + start)

    def _holds(self, offset: int, raw: bytes | bytearray) -> bool:
        view = memoryview(raw)
        for start in range(0, len(raw), CHUNK):
            piece = view[start : start + CHUNK]
            if os.pread(self._file, len(piece), offset + start) != piece:
                return False
        return True

    def addresses(self) -> list[int] | None:
        """Where the worker says that its outputs lie; None if it says nothing of the kind."""
        raw = os.pread(self._file, ARENA_HEADER_BYTES, 0)
        if len(raw) < ARENA_TABLE.size:
            return None
        (count,) = ARENA_TABLE.unpack_from(raw)
        if count > MAX_CALLS * MAX_LEAVES or len(raw) < ARENA_TABLE.size * (1 + count):
            return None
        return [ARENA_TABLE.unpack_from(raw, ARENA_TABLE.size * (1 + index))[0] for index in range(count)]

    def close(self) -> None:
        """Give it back; idempotent."""
        self.forget_name()
        self._written = []
        file, self._file = self._file, -1  # at once: a worker that ends may be closed by two threads
        if file >= 0:
            os.close(file)
