"""Building candidates, each in a sandbox job of its own, and opening workers that run what was built.

A candidate lives in a room: two folders of the controller's, one with its source (mounted read-only), one for
what its build makes (writable for the build, read-only afterwards). The controller mounts and removes them; it
never opens anything that a build left there.
"""

from __future__ import annotations

import re
import secrets
import subprocess
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.base import Job, Mount
from sandbox.errors import SandboxError
from tools.candidate import Candidate
from tools.contender import Contender, Rejected, reject
from tools.errors import JudgeUnavailable
from tools.launching import Launcher
from tools.oracle import Constructor
from tools.verdict import CompileResult
from tools.worker import Worker, WorkerFailed

MAX_BUILD_BYTES = 256 << 20
MAX_BUILD_FILES = 10_000
MAX_ROOMS = 64
MAX_LOG_CHARACTERS = 4000

COUNTING_S = 20.0
WATCHING_S = 0.5
"""A build that floods the disk is seen within this time."""

CLOSED = "the judge is closed"
EMPTY = 'cd "$1" && chmod -R u+rwX . ; find . -mindepth 1 -delete'


class Room:
    """One candidate's folders, and the workers started in it."""

    def __init__(self, launcher: Launcher, parent: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="room-", dir=parent))
        source, build = self.folder / "source", self.folder / "build"
        source.mkdir()
        build.mkdir()
        # The sandbox may run under another user; the folder above is ours alone.
        source.chmod(0o755)
        build.chmod(0o777)
        self.builder: Worker | None = None
        self.runner: Worker | None = None
        self._started: list[Worker] = []
        self._removed = False
        self._lock = threading.RLock()
        self._launcher = launcher
        self._source = Mount(source, "/candidate")
        self._build = build

    @property
    def path(self) -> str:
        """The candidate's file as a worker sees it."""
        return f"{self._launcher.inside(self._source)}/candidate.py"

    def write(self, source: str) -> None:
        """Put the candidate's text where its workers will look."""
        (self._source.source / "candidate.py").write_text(source, encoding="utf-8")

    def start(self, *, building: bool) -> Worker:
        """Start a worker that may write the build folder, or one that may only read it.

        Raises JudgeUnavailable if the room is gone, or goes meanwhile: nobody would ever stop the worker.
        """
        mount = Mount(self._build, "/build", writable=building)
        inside = self._launcher.inside(mount)
        # Not torch.compile's cache: it is filled by the first call, in the worker that may only read this folder.
        names = ["KERNELWRIGHT_BUILD_DIR", "TORCH_EXTENSIONS_DIR"]
        if building or self._launcher.device is None:  # what runs on a device may compile more for it when called
            names.append("TRITON_CACHE_DIR")
        env = dict.fromkeys(names, inside)
        if not self._removed:
            mounts = (self._source, mount)
            worker = self._launcher.start("candidate", "candidate", mounts, env, on_device=not building)
            with self._lock:
                self._started = [other for other in self._started if other.alive] + [worker]
                if not self._removed:
                    return worker
            worker.close()
        raise JudgeUnavailable(CLOSED)

    def take_builder(self) -> Worker:
        """The worker started beforehand for the build, or a new one."""
        with self._lock:
            worker, self.builder = self.builder, None
        return worker or self.start(building=True)

    def take_runner(self) -> Worker:
        """The worker started beforehand for the calls, or a new one."""
        with self._lock:
            worker, self.runner = self.runner, None
        return worker or self.start(building=False)

    def prepare_runner(self) -> None:
        """Start the worker for the calls beforehand."""
        with self._lock:
            if self.runner is None:
                self.runner = self.start(building=False)

    def settle(self) -> None:
        """Wait until the workers started beforehand have imported torch; one that could not is forgotten."""
        with self._lock:
            waiting = [worker for worker in (self.builder, self.runner) if worker is not None]
        broken = [worker for worker in waiting if not has_started(worker)]  # not under the lock: it takes seconds
        with self._lock:
            self.builder = None if self.builder in broken else self.builder
            self.runner = None if self.runner in broken else self.runner

    def is_oversized(self) -> bool:
        """Whether the build folder holds more than it may. Counts without following links or opening a file."""
        # du descends by descriptor, so that neither depth nor length of names hides anything.
        for option, most in (("--block-size=1", MAX_BUILD_BYTES), ("--inodes", MAX_BUILD_FILES)):
            argv = ["du", "--summarize", "--one-file-system", option, "--", str(self._build)]
            try:
                counted = subprocess.run(argv, capture_output=True, check=False, timeout=COUNTING_S).stdout
            except subprocess.TimeoutExpired:
                return True
            words = counted.split()
            if not words or int(words[0]) > most:
                return True
        return False

    @contextmanager
    def watched(self, stop: Callable[[], None]) -> Iterator[None]:
        """Have ``stop`` called as soon as the build folder holds more than it may."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(WATCHING_S):
                if self.is_oversized():
                    stop()
                    return

        watcher = threading.Thread(target=watch, name="build-watch", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()

    def close_workers(self) -> None:
        """Stop what was started here and not handed out."""
        with self._lock:
            workers = (self.builder, self.runner)
            self.builder = self.runner = None
        for worker in workers:
            if worker is not None:
                worker.close()

    def remove(self) -> None:
        """Stop every worker ever started here and delete the folders; links are removed, never followed."""
        self.close_workers()
        with self._lock:
            self._removed = True
            started = tuple(self._started)
        for worker in started:
            worker.close()
        remove_tree(self.folder)
        if self.folder.exists():
            self._empty_from_inside()
            remove_tree(self.folder)

    def _empty_from_inside(self) -> None:
        """Folders made by the sandbox's user can be emptied by that user only."""
        mount = Mount(self._build, "/build", writable=True)
        sandbox = self._launcher.sandbox
        with suppress(SandboxError):
            sandbox.run(Job(("/bin/sh", "-c", EMPTY, "sh", sandbox.path_inside(mount)), mounts=(mount,)))


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

    def __init__(self, launcher: Launcher, folder: Path, constructor: Callable[[], Constructor]) -> None:
        self._launcher = launcher
        self._folder = folder
        self._constructor = constructor
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._spare: Room | None = None
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
            elif self._spare is None:
                self._spare = self._new_room()

    def settle(self) -> None:
        """Wait until nothing started by ``prepare`` is still starting: it would disturb a measurement."""
        with self._lock:
            rooms = [entry.room for entry in self._entries.values() if entry.result is not None] + [self._spare]
        for room in rooms:
            if room is not None:
                room.settle()

    def discard_prepared(self) -> None:
        """Stop what waits for a candidate that will not come."""
        with self._lock:
            room, self._spare = self._spare, None
        if room is not None:
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
            room, self._spare = self._spare, None
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
                contender.load(room.path, unseen, with_state=False)
            log = contender.log()
        except Rejected as error:
            if not room.is_oversized():
                return failed_build(error, time.monotonic() - begin)
        finally:
            contender.close()
        seconds = time.monotonic() - begin
        if room.is_oversized():
            log = f"the build made more than {MAX_BUILD_BYTES >> 20} MiB or {MAX_BUILD_FILES} files"
            return CompileResult(ok=False, reason="compile_error", log=log, seconds=seconds)
        return CompileResult(ok=True, log=trim_log(log), seconds=seconds)

    def close(self) -> None:
        """Stop every worker, those at work in other threads too, and remove every room."""
        with self._lock:
            self._closed = True
            rooms = [entry.room for entry in self._entries.values()] + [self._spare]
            self._entries.clear()
            self._spare = None
        for room in rooms:
            if room is not None:
                room.remove()


def remove_tree(folder: Path) -> None:
    """Delete a folder of any depth; links are removed, never followed. What cannot be removed stays."""
    # shutil.rmtree recurses, and a candidate can nest folders deeper than Python does.
    subprocess.run(["rm", "-rf", "--one-file-system", "--", str(folder)], capture_output=True, check=False)


def has_started(worker: Worker) -> bool:
    """Wait until it has started; one that cannot is closed."""
    try:
        worker.await_ready()
    except (JudgeUnavailable, WorkerFailed):
        worker.close()
        return False
    return True


def failed_build(error: Rejected, seconds: float) -> CompileResult:
    """A failure while importing or constructing, in the words of this stage."""
    reason = {"runtime_error": "compile_error", "crash": "compile_error"}.get(error.reason, error.reason)
    log = trim_log(error.log)
    if error.reason != "runtime_error" or not log:
        log = f"{log}\n{error.detail}".strip()
    return CompileResult(ok=False, reason=reason, log=log, seconds=seconds)


def trim_log(text: str) -> str:
    """What matters of a build's output: from the first error on, or else its end."""
    found = re.search(r"^.*\berror:", text, re.MULTILINE)
    if found is None:
        return text.strip()[-MAX_LOG_CHARACTERS:]
    rest = text[found.start() :].strip()
    if len(rest) <= MAX_LOG_CHARACTERS:
        return rest
    half = MAX_LOG_CHARACTERS // 2
    return f"{rest[:half]}\n[...]\n{rest[-half:]}"
