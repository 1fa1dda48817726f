"""The controller's end of a verifier: regions of the device's memory, and tensors there that it knows by name."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox.errors import HoldFailed
from tools.errors import JudgeUnavailable
from tools.harness.wire import LOOKED_AT
from tools.worker import Worker, WorkerFailed

LASTING = ("made", "drawn", "wavering")
"""Kinds of names that always mean the same content."""

Ref = list[Any]
"""See ``tools.harness.verifier``."""


@dataclass(frozen=True)
class Region:
    """A stretch of the device's memory. The descriptor is the controller's own; ``Bank.release`` closes it."""

    number: int
    size: int
    descriptor: int


class DeviceBytes:
    """Bytes that stay on the device. As long as they would be here, and equal to others of the same content."""

    __hash__ = None  # type: ignore[assignment]  # as of a bytearray

    def __init__(self, bank: Bank, ref: Ref, size: int) -> None:
        self.bank = bank
        self.ref = ref
        self._size = size
        self._digest: str | None = None
        self._beginning = bytearray()

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DeviceBytes):
            return NotImplemented
        if self._size != other._size:
            return False
        # Where something else may lie by now, the name says nothing.
        return (self.ref == other.ref and self.ref[0] in LASTING) or self.digest == other.digest

    @property
    def digest(self) -> str:
        """Of what is there; asked once."""
        if self._digest is None:
            (self._digest,) = self.bank.ask("digest", {"refs": [self.ref]})
        return self._digest

    def freeze(self) -> None:
        """Find out what is there, before something else is."""
        assert self.digest

    def beginning(self, size: int) -> bytearray:
        """So many bytes from the start, or all there are."""
        size = min(size, self._size)
        if len(self._beginning) < size:
            self._beginning = self.bank.read(self.ref, size)
        return self._beginning[:size]


@dataclass
class Bank:
    """Asks the verifier. Safe to use from several threads. Raises JudgeUnavailable when it fails."""

    worker: Worker
    pool_bytes: int = 0
    """What a contender's own allocations may come to."""
    inputs: Region | None = None
    """Where inputs are put, for all that can be trusted."""
    calls: int = 2
    """Calls of a window, at most."""
    _numbers: Any = field(default_factory=lambda: itertools.count(1), repr=False)
    _regions: dict[int, Region] = field(default_factory=dict, repr=False)
    sizes: dict[tuple[str, int | None], list[int]] = field(default_factory=dict, repr=False)
    """Bytes of the outputs of a case, and of its cut sets; every set that was answered tells."""
    _released: list[int] = field(default_factory=list, repr=False)
    _asking: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def turn(self, op: str = "") -> Iterator[None]:
        """Nobody else asks meanwhile."""
        with self._asking:
            if op not in LOOKED_AT:
                self._tell_released()
            yield

    def _tell_released(self) -> None:
        with self._lock:
            released, self._released = self._released, []
        try:
            if released:
                self.worker.ask_facts("release", {"regions": released})
        except WorkerFailed as error:
            raise JudgeUnavailable(f"the verifier failed (release): {error.detail}") from error

    def ask(self, op: str, body: Mapping[str, Any]) -> Any:
        """One question and its answer."""
        try:
            with self.turn(op):
                return self.worker.ask_facts(op, body)[0]
        except WorkerFailed as error:
            raise JudgeUnavailable(f"the verifier failed ({op}): {error.detail}") from error

    def begin(self, op: str, body: Mapping[str, Any]) -> None:
        """Ask without waiting; nothing else is asked before ``end``."""
        self._asking.acquire()
        try:
            self.worker.send(op, body)
        except BaseException as error:
            self._asking.release()
            if isinstance(error, WorkerFailed):
                raise JudgeUnavailable(f"the verifier failed ({op}): {error.detail}") from error
            raise

    def end(self) -> Any:
        """The answer to what was asked with ``begin``."""
        try:
            record = self.worker.receive()
            return json.loads(self.worker.take(record.text_bytes))
        except WorkerFailed as error:
            raise JudgeUnavailable(f"the verifier failed: {error.detail}") from error
        finally:
            self._asking.release()

    def read(self, ref: Ref, size: int) -> bytearray:
        """The beginning of what ``ref`` names."""
        try:
            with self.turn():
                return self.worker.ask_facts("read", {"ref": ref, "size": size}, lambda count: (int(count),))[1][0]
        except WorkerFailed as error:
            raise JudgeUnavailable(f"the verifier failed (read): {error.detail}") from error

    def create(self, size: int) -> Region:
        """New memory of the device."""
        number = next(self._numbers)
        theirs, whole = self.ask("create", {"region": number, "size": size})
        try:
            region = Region(number, whole, self.worker.take_descriptor(theirs))
        except (HoldFailed, WorkerFailed) as error:
            raise JudgeUnavailable(f"the device's memory cannot be shared: {error}") from error
        with self._lock:
            self._regions[number] = region
        return region

    def release(self, region: Region) -> None:
        """Give it back; idempotent. The verifier is told when it is asked something next: it may be busy now, looking
        out for the very worker that has ended.
        """
        with self._lock:
            known = self._regions.pop(region.number, None)
            if known is not None:
                os.close(known.descriptor)
                self._released.append(region.number)

    def close(self) -> None:
        """Forget all regions. The verifier's own end with its process."""
        with self._lock:
            regions, self._regions = list(self._regions.values()), {}
        for region in regions:
            os.close(region.descriptor)


def refs_of(raws: Sequence[Any]) -> list[Ref]:
    """Their names."""
    return [raw.ref for raw in raws]
