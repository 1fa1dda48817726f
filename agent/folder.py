"""The run folder and the index of runs: where a run lives on disk, and how it is found again."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from agent.errors import RunError
from agent.events import utc_now
from agent.settings import AgentSettings
from agent.starting import Start
from tools.artifacts import ArtifactStore
from tools.errors import RequestError
from tools.full_disk import is_full
from tools.problem import Problem

MIN_FREE_BYTES = 16 << 20
_ELSEWHERE = "choose another folder with --out"
_OURS = ("run.json", "problem.py", "events.jsonl", "artifacts", "work", "transcript.jsonl")
_WRITTEN_WHOLE = ("run.json", "problem.py", "transcript.jsonl", "verdict.json", "best.py", "report.md", "report.html")
_DATABASES = ("checkpoints.db", "checkpoints.db-wal", "checkpoints.db-shm")


@dataclass(frozen=True)
class RunFolder:
    """One run's folder. Files that appear at the end appear whole or not at all."""

    path: Path
    run_id: str
    made: tuple[Path, ...] = ()
    """Folders that did not exist before, outermost first."""

    @property
    def events(self) -> Path:
        """The event log."""
        return self.path / "events.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The graph's checkpoints."""
        return self.path / "checkpoints.db"

    @property
    def artifacts(self) -> Path:
        """Root of the artifact store."""
        return self.path / "artifacts"

    @property
    def work(self) -> Path:
        """The judge's scratch space, gone when nothing runs."""
        return self.path / "work"

    def info(self) -> dict[str, Any]:
        """What run.json says. Raises RunError if it is damaged."""
        return _read_info(self.path)

    def problem(self) -> Problem:
        """The problem as it was when the run began."""
        try:
            source = (self.path / "problem.py").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"the run in {self.path} has lost its problem.py") from error
        return Problem(name=self.info()["problem"], source=source)

    def starts(self) -> tuple[Start, ...]:
        """The user's kernels as they were when the run began."""
        try:
            sources = [(self.path / file).read_text(encoding="utf-8") for file in self._start_files()]
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"the run in {self.path} has lost the kernel it started from") from error
        names = self.info().get("starts", [])
        return tuple(Start(name, source) for name, source in zip(names, sources, strict=True))

    def _start_files(self) -> list[str]:
        return [start_file(place) for place in range(len(self.info().get("starts", [])))]

    def enter_index(self, home: Path) -> None:
        """Make the run findable by its id, unless it is. Raises OSError."""
        entry = home / "index" / f"{self.run_id}.json"
        if entry.exists():
            return
        entry.parent.mkdir(parents=True, exist_ok=True)
        info = {key: value for key, value in self.info().items() if key != "settings"}
        write_atomically(entry, json.dumps({**info, "path": str(self.path)}) + "\n")

    def clear_work(self) -> None:
        """Remove what a killed process left behind: the judge's scratch space, files that were not whole yet."""
        shutil.rmtree(self.work, ignore_errors=True)
        begun = [path for name in (*_WRITTEN_WHOLE, "start-*.py") for path in self.path.glob(f".{name}.*")]
        for path in (*begun, *ArtifactStore(self.artifacts).unfinished()):
            with suppress(OSError):  # in nobody's way
                path.unlink()

    def discard(self, home: Path) -> None:
        """Remove the run, files of other origin in the same folder excepted."""
        entry = home / "index" / f"{self.run_id}.json"
        begun = self.path.glob("start-*.py")
        for target in (entry, *begun, *(self.path / name for name in (*_OURS, *_DATABASES))):
            shutil.rmtree(target, ignore_errors=True)
            with suppress(OSError):  # where nothing can be written, nothing was
                target.unlink(missing_ok=True)
        with suppress(OSError):  # not empty: somebody else's
            for folder in reversed(self.made):
                folder.rmdir()


def start_file(place: int) -> str:
    """Name of the file in a run folder that keeps one of the user's kernels."""
    return f"start-{place + 1}.py"


def new_run_id() -> str:
    """Sorts by time; unique enough for every machine of a team."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def package_version() -> str:
    """Of the installed distribution."""
    try:
        return version("kernelwright")
    except PackageNotFoundError:
        return "unknown"


def create_folder(problem: Problem, settings: AgentSettings, starts: Sequence[Start] = ()) -> RunFolder:
    """Make the folder of a new run and put it into the index.

    Raises RequestError where nothing can be written or a run lives already, RunError on a full disk; nothing
    half-made stays behind.
    """
    run_id = new_run_id()
    path = settings.out or settings.home / "runs" / run_id
    try:
        _check_unused(path, problem, starts)
        folder = RunFolder(path, run_id, made=_missing(path))
    except OSError as error:
        raise _explain(error, path, _ELSEWHERE) from error
    try:
        path.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path).free
        if free < MIN_FREE_BYTES:
            raise OSError(errno.ENOSPC, f"only {free >> 10} KiB left on this disk")
        write_atomically(path / "problem.py", problem.source)
        for place, start in enumerate(starts):
            write_atomically(path / start_file(place), start.source)
        info = _info(run_id, problem, settings)
        info |= {"starts": [start.name for start in starts]} if starts else {}
        write_atomically(path / "run.json", json.dumps(info, indent=2) + "\n")
    except OSError as error:
        folder.discard(settings.home)
        raise _explain(error, path, _ELSEWHERE) from error
    try:
        folder.enter_index(settings.home)
    except OSError as error:
        folder.discard(settings.home)
        raise _explain(error, settings.home, "set KERNELWRIGHT_HOME to another folder") from error
    return folder


def open_folder(path: Path) -> RunFolder:
    """The folder of a run that exists. Raises RequestError if there is none."""
    if not (path / "run.json").is_file():
        raise RequestError(f"there is no run in {path}: the folder has no run.json")
    return RunFolder(path, str(_read_info(path)["run_id"]))


def write_atomically(path: Path, text: str | Iterable[str]) -> None:
    """Write a whole file or nothing: a reader never sees half of it. Takes pieces too. Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            for piece in (text,) if isinstance(text, str) else text:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _info(run_id: str, problem: Problem, settings: AgentSettings) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "problem": problem.name,
        "problem_id": problem.id,
        "target": settings.target,
        "language": settings.language,
        "model": settings.model,
        "started_at": utc_now(),
        "version": package_version(),
        "settings": settings.model_dump(mode="json"),
    }


def _read_info(path: Path) -> dict[str, Any]:
    try:
        info = json.loads((path / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"the run in {path} cannot be used: its run.json is damaged") from error
    if not isinstance(info, dict) or not {"run_id", "problem", "settings"} <= info.keys():
        raise RunError(f"the run in {path} cannot be used: its run.json is not of a run")
    return info


def _check_unused(path: Path, problem: Problem, starts: Sequence[Start]) -> None:
    """Nothing of the user's is ever written over. Raises RequestError, or OSError where nobody can look."""
    if (path / "run.json").exists():
        raise RequestError(f"{path} already holds a run: resume it, or choose another folder with --out")
    if path.exists() and not path.is_dir():
        raise RequestError(f"{path} is a file: choose a folder with --out")
    texts = {"problem.py": problem.source, **{start_file(place): one.source for place, one in enumerate(starts)}}
    if path.is_dir() and any(not _is_left_over(entry, texts) for entry in path.iterdir()):
        raise RequestError(f"{path} is not empty: choose another folder with --out")


def _is_left_over(entry: Path, texts: Mapping[str, str]) -> bool:
    """Whether a run that was killed while its folder was made put it there: begun files, or those with these texts."""
    if entry.name in texts:
        return entry.is_file() and entry.read_bytes() == texts[entry.name].encode("utf-8", "surrogateescape")
    return entry.is_file() and entry.name.startswith((".problem.py.", ".run.json.", ".start-"))


def _missing(path: Path) -> tuple[Path, ...]:
    """The folders that would have to be made for ``path``, outermost first. Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    return tuple(reversed(missing))


def _explain(error: OSError, path: Path, mend: str) -> Exception:
    reason = error.strerror or str(error)
    text = f"cannot write to {path}: {reason[:1].lower()}{reason[1:]}"
    if is_full(error):
        return RunError(f"{text}: free some space, or {mend}")
    return RequestError(f"{text}: {mend}")
