"""Where one candidate lives: its folders, and the workers that are started in them.

Two folders of the controller's, one with its source (mounted read-only), one for what its build makes (writable for the
build, read-only afterwards). The controller mounts and removes them; it never opens anything that a build left there.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sandbox.base import Job, Mount
from sandbox.errors import SandboxError
from tools.errors import JudgeUnavailable
from tools.launching import Launcher
from tools.worker import Worker, WorkerFailed

MAX_BUILD_BYTES = 256 << 20
MAX_BUILD_FILES = 10_000
BUILD_S = 300.0
"""What a build for a device may take: torch's headers alone keep nvcc busy for a minute or two."""
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

    def shown(self, *, building: bool) -> tuple[tuple[Mount, ...], dict[str, str]]:
        """The folders as a job sees them, and the environment that names them."""
        mount = Mount(self._build, "/build", writable=building)
        inside = self._launcher.inside(mount)
        # Not torch.compile's cache: it is filled by the first call, in the worker that may only read this folder.
        names = ["KERNELWRIGHT_BUILD_DIR", "TORCH_EXTENSIONS_DIR", "CUTE_DSL_CACHE_DIR"]
        if building or self._launcher.device is None:  # what runs on a device may compile more for it when called
            names.append("TRITON_CACHE_DIR")
        return (self._source, mount), dict.fromkeys(names, inside)

    def start(self, *, building: bool) -> Worker:
        """Start a worker that may write the build folder, or one that may only read it.

        Raises JudgeUnavailable if the room is gone, or goes meanwhile: nobody would ever stop the worker.
        """
        mounts, env = self.shown(building=building)
        if not self._removed:
            patience_s = max(BUILD_S, self._launcher.timeout_s) if building and self._launcher.device else None
            worker = self._launcher.start("candidate", "candidate", mounts, env, patience_s, on_device=not building)
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
