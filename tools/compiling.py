"""Building candidates, each in a sandbox job of its own, and opening workers that run what was built.

A candidate lives in a room: two folders of the controller's, one with its source (mounted read-only), one for
what its build makes (writable for the build, read-only afterwards). The controller mounts and removes them; it
never opens anything that a build left there.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.devices import Device
from tools.candidate import Candidate
from tools.contender import Contender, Form, Rejected, reject
from tools.errors import JudgeUnavailable
from tools.launching import Launcher
from tools.oracle import Constructor
from tools.rooms import CLOSED, MAX_BUILD_BYTES, MAX_BUILD_FILES, Room
from tools.verdict import CompileResult

MAX_ROOMS = 64
MAX_LOG_CHARACTERS = 4000
MAX_SPARES = 4
PROCESSORS_A_SPARE = 4


WANTS_DEVICE = (
    *("No CUDA GPUs are available", "Found no NVIDIA driver", "0 active drivers"),
    *("cudaErrorInsufficientDriver", "cudaErrorNoDevice", "CUDA_ERROR_NO_DEVICE", "CUDA_ERROR_NOT_INITIALIZED"),
    "NVIDIA display driver is installed",
)
"""What torch, Triton and CuTe DSL say where there is no GPU."""
COLOURS = re.compile(r"\x1b?\[\d+(?:;\d+)*m")
"""With or without the escape, which a log may have lost."""


def spares_for(device: Device | None) -> int:
    """How many rooms should wait for candidates that are not known yet: on the host one, which settles before anything
    is timed. Beside a device processors have little else to do, and getting a room ready takes longer than judging.
    """
    return 1 if device is None else max(1, min(MAX_SPARES, len(os.sched_getaffinity(0)) // PROCESSORS_A_SPARE))


@dataclass
class _Entry:
    """A candidate that was built, or is being built."""

    lock: threading.Lock
    room: Room | None = None
    result: CompileResult | None = None
    is_expected: bool = True
    """It was built, and neither opened nor prepared for that yet."""


class Builder:
    """Builds candidates and remembers the results. Safe to use from several threads."""

    def __init__(
        self,
        launcher: Launcher,
        folder: Path,
        constructor: Callable[[], Constructor],
        forms: Callable[[], Sequence[Form]] = lambda: (),
        spares: int | None = None,
    ) -> None:
        """``forms``: of what candidates will be called with, where they can be compiled for it beforehand; ``spares``:
        how many rooms may wait for candidates that are not known yet, by default what ``spares_for`` says.
        """
        self._forms = forms
        self._launcher = launcher
        self._folder = folder
        self._constructor = constructor
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._most_spares = spares_for(launcher.device) if spares is None else spares
        self._spares: deque[Room] = deque()
        self._stocking: threading.Thread | None = None
        self._closed = False
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Start the next candidate's workers now, so that they have imported torch when it comes.

        The next one is what was built and never opened, if there is such a one; else it is not known yet.
        """
        with self._lock:
            if self._closed:
                return
            built = [entry for entry in self._entries.values() if entry.result is not None and entry.is_expected]
            waiting = [(entry, entry.room) for entry in built if entry.room is not None]
            if waiting:
                entry, room = waiting[0]
                entry.is_expected = False  # if it does not come next, it may never
                room.prepare_runner()
                return
            if not self._spares:
                self._spares.append(self._new_room())
            if len(self._spares) < self._most_spares and self._stocking is None:
                self._stocking = threading.Thread(target=self._stock, name="stocking", daemon=True)
                self._stocking.start()

    def expect(self, candidate: Candidate) -> None:
        """Start the worker for the calls of this one, if it was built: it is the next."""
        with self._lock:
            entry = self._entries.get(candidate.id)
        if entry is not None and entry.room is not None:
            with suppress(JudgeUnavailable):  # the judgement will say so itself
                entry.room.prepare_runner()

    def _stock(self) -> None:
        """Start further rooms beside the judge. None waits for the one before: one takes twice as long to get ready as
        a judgement, so that candidates which come one right after another need several on the way.
        """
        while True:
            with self._lock:
                if self._stocking is not threading.current_thread():
                    return  # what it started was discarded
                if self._closed or len(self._spares) >= self._most_spares:
                    self._stocking = None
                    return
                try:
                    self._spares.append(self._new_room())
                except JudgeUnavailable:  # the next judgement will say so itself
                    self._stocking = None
                    return

    def settle(self) -> None:
        """Wait until nothing started by ``prepare`` is still starting: it would disturb a measurement, other than on a
        device, which would be held meanwhile.
        """
        if self._launcher.device is not None:
            return
        with self._lock:
            rooms = [entry.room for entry in self._entries.values() if entry.result is not None]
            rooms += self._spares
        for room in rooms:
            if room is not None:
                room.settle()

    def discard_prepared(self) -> None:
        """Stop what waits for a candidate that will not come."""
        with self._lock:
            rooms = list(self._spares)
            self._spares.clear()
            self._stocking = None
        for room in rooms:
            room.remove()

    def _new_room(self) -> Room:
        room = Room(self._launcher, self._folder)
        try:
            room.builder = room.start(building=True)
            room.runner = room.start(building=False)
        except BaseException:
            room.remove()
            raise
        return room

    def compile(self, candidate: Candidate) -> CompileResult:
        """Build, or say again what came of it."""
        entry = self._entry(candidate)
        with entry.lock:
            return self._built(entry, candidate)

    def _built(self, entry: _Entry, candidate: Candidate) -> CompileResult:
        """The entry's lock is held."""
        if entry.result is None:
            if entry.room is not None:
                entry.room.remove()  # of a build that we failed
            room = self._furnish(entry)
            entry.result = self._build(candidate, room)
            if not entry.result.ok:
                room.remove()
                entry.room = None
        return entry.result

    def _furnish(self, entry: _Entry) -> Room:
        """Give it the room that was prepared, or a new one. Raises JudgeUnavailable."""
        with self._lock:
            if self._closed:
                raise JudgeUnavailable(CLOSED)
            room = self._spares.popleft() if self._spares else None
        room = room or self._new_room()
        with self._lock:
            if not self._closed:
                entry.room = room
                return room
        room.remove()
        raise JudgeUnavailable(CLOSED)

    def open(self, candidate: Candidate, constructor: Constructor | None = None) -> Contender:
        """A fresh worker with a candidate that was built, loaded with the reference's parameters.

        ``constructor``: of another reference than the one it was built for. Raises Rejected if loading fails, or
        if it does not build.
        """
        entry = self._entry(candidate)
        with entry.lock:  # or else the room might be given to others between building and opening
            result = self._built(entry, candidate)
            if entry.room is None:
                raise Rejected(result.reason or "compile_error", "it does not compile", result.log)
            entry.is_expected = False
            contender = Contender("candidate", entry.room.take_runner(), reject)
            path = entry.room.path
        try:
            contender.load(path, constructor or self._constructor())
        except BaseException:
            contender.close()
            raise
        return contender

    @contextmanager
    def borrowed(self, candidate: Candidate) -> Iterator[Room]:
        """The room of a candidate, built if it was not, for jobs that only read it; it stays for as long as that.

        Raises Rejected if it does not build.
        """
        entry = self._entry(candidate)
        with entry.lock:
            result = self._built(entry, candidate)
            if entry.room is None:
                raise Rejected(result.reason or "compile_error", "it does not compile", result.log)
            yield entry.room

    def _entry(self, candidate: Candidate) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(candidate.id, _Entry(threading.Lock()))
            self._entries.move_to_end(candidate.id)
            idle = [key for key, item in self._entries.items() if item is not entry and not item.lock.locked()]
            for key in idle[: max(0, len(self._entries) - MAX_ROOMS)]:
                old = self._entries.pop(key)
                if old.room is not None:
                    old.room.remove()
            for item in self._entries.values():
                if item is not entry and item.room is not None and not item.lock.locked():
                    item.room.close_workers()
            return entry

    def _build(self, candidate: Candidate, room: Room) -> CompileResult:
        begin = time.monotonic()
        log = ""
        room.write(candidate.source)
        contender = Contender("candidate", room.take_builder(), reject)
        try:
            with room.watched(contender.close):
                # Of its own seed: what a constructor sees at build time is not what the candidate is judged with.
                unseen = replace(self._constructor(), seed=secrets.randbits(31))
                contender.load(room.path, unseen, with_state=False, forms=self._forms())
            log = contender.log()
        except Rejected as error:
            if not room.is_oversized() and not self._wants_device(error):
                return failed_build(error, time.monotonic() - begin)
            log = error.log
        finally:
            contender.close()
        seconds = time.monotonic() - begin
        if room.is_oversized():
            log = f"the build made more than {MAX_BUILD_BYTES >> 20} MiB or {MAX_BUILD_FILES} files"
            return CompileResult(ok=False, reason="compile_error", log=log, seconds=seconds)
        return CompileResult(ok=True, log=trim_log(log), seconds=seconds)

    def _wants_device(self, error: Rejected) -> bool:
        """Whether it failed for want of the device, which no build gets to see: then it is built where it runs."""
        said = error.detail + error.log
        return self._launcher.device is not None and any(marker in said for marker in WANTS_DEVICE)

    def close(self) -> None:
        """Stop every worker, those at work in other threads too, and remove every room."""
        with self._lock:
            self._closed = True
            rooms = [entry.room for entry in self._entries.values()]
            rooms += self._spares
            self._entries.clear()
            self._spares.clear()
        for room in rooms:
            if room is not None:
                room.remove()


def failed_build(error: Rejected, seconds: float) -> CompileResult:
    """A failure while importing or constructing, in the words of this stage."""
    reason = {"runtime_error": "compile_error", "crash": "compile_error"}.get(error.reason, error.reason)
    log = trim_log(error.log)
    if error.reason != "runtime_error" or not log:
        log = f"{log}\n{error.detail}".strip()
    return CompileResult(ok=False, reason=reason, log=log, seconds=seconds)


def trim_log(text: str) -> str:
    """What matters of a build's output: from the first error on that says where it is, or else its end."""
    text = COLOURS.sub("", text)
    found = re.search(r"^(?!error:).*\berror:", text, re.MULTILINE)
    if found is None:
        return text.strip()[-MAX_LOG_CHARACTERS:]
    rest = text[found.start() :].strip()
    if len(rest) <= MAX_LOG_CHARACTERS:
        return rest
    half = MAX_LOG_CHARACTERS // 2
    return f"{rest[:half]}\n[...]\n{rest[-half:]}"
