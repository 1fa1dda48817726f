"""Tasks one after another, each with a judge of its own, each row written as soon as it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any, Protocol

from agent.errors import AgentError
from evals.gpu_bench.pieces import TASK, Row
from memory.errors import StoreError
from sandbox.errors import SandboxError
from tools.errors import ToolError
from tools.judge import Judge
from tools.problem import JudgeSettings, Problem

FAULTS: tuple[type[Exception], ...] = (AgentError, ToolError, SandboxError, StoreError, OSError)
"""What a task may fail with; then that is its row, and the next one begins."""


class TimeIsUp(Exception):
    """The run ends here; what is missing is for another one."""


class Opener(Protocol):
    """``Place.open``, or what a test puts in its place."""

    def __call__(self, problem: Problem, settings: JudgeSettings, seed: int) -> Judge:
        """Raises ToolError, SandboxError."""


@dataclass(frozen=True)
class Chosen:
    """Which rows are wanted, and how long there is."""

    only: str = "*"
    """Pattern of names; several with commas."""
    shard: tuple[int, int] = (1, 1)
    """The first of so many: every so-manieth task."""
    known: frozenset[tuple[str, str]] = frozenset()
    """Rows that have a result already."""
    minutes: float | None = None
    max_seconds: float = 60.0
    """For the search on one problem."""
    seed: int = 0
    allow_unsandboxed: bool = False

    def has(self, part: str, name: str) -> bool:
        """Whether there is a result of that row."""
        return (part, name) in self.known

    def wants(self, part: str, name: str) -> bool:
        """Whether that row is to be measured."""
        return not self.has(part, name) and any(fnmatch(name, item) for item in self.only.split(","))


@dataclass
class Turn:
    """What a task works with."""

    judge: Judge
    target: str
    language: str
    tell: Callable[[Row], None]
    """Called with each row, without its part. Raises TimeIsUp where the task should not go on."""
    ahead: Callable[[], None]
    """Called when the processes of the next task may be started beside this one."""


@dataclass(frozen=True)
class Task:
    """Something measured with one judge: a row, or several."""

    part: str
    name: str
    problem: Problem
    settings: JudgeSettings
    work: Callable[[Turn], None] = field(repr=False)
    rows: tuple[str, ...] = ()
    """Names of its rows, if they are not its own name."""


def in_shard(tasks: Sequence[Task], shard: tuple[int, int]) -> list[Task]:
    """Every so-manieth, so that each shard begins with what matters most."""
    number, of = shard
    return list(tasks[number - 1 :: of])


@dataclass
class _Opened:
    """A judge, or why there is none."""

    judge: Judge | None = None
    error: Exception | None = None

    def close(self) -> None:
        if self.judge is not None:
            self.judge.close()


class Runner:
    """Runs tasks; ``faults`` are told as rows."""

    def __init__(
        self,
        opener: Opener,
        add: Callable[[Row], None],
        chosen: Chosen,
        *,
        target: str,
        language: str,
        faults: tuple[type[Exception], ...] = FAULTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``add`` gets every row."""
        self._opener, self._add, self._chosen = opener, add, chosen
        self._target, self._language = target, language
        self._faults, self._clock = faults, clock
        self._began = clock()
        self._took: dict[str, list[float]] = {}
        self._next: dict[int, _Opened] = {}

    def run(self, tasks: Sequence[Task]) -> bool:
        """Whether all were begun, and none was ended by the time."""
        try:
            for number, task in enumerate(tasks):
                if not self._has_time_for(task):
                    return False
                try:
                    self._one(tasks, number)
                except TimeIsUp:
                    return False
            return True
        finally:
            for opened in self._next.values():
                opened.close()
            self._next.clear()

    def _one(self, tasks: Sequence[Task], number: int) -> None:
        task, began = tasks[number], self._clock()
        opened = self._open(tasks, number)
        del self._next[number]
        held: list[float] = []
        told: set[str] = set()

        def tell(row: Row) -> None:
            held.append(float(row.get("held_s") or 0.0))
            told.add(row["name"])
            self._add({"part": task.part, **row})
            if task.rows and self._is_over():
                raise TimeIsUp

        def ahead() -> None:
            if number + 1 < len(tasks) and self._has_time_for(tasks[number + 1]):
                self._open(tasks, number + 1)

        try:
            if opened.error is not None:
                raise opened.error
            assert opened.judge is not None
            with closing(opened.judge):
                task.work(Turn(opened.judge, self._target, self._language, tell, ahead))
        except TimeIsUp:
            raise
        except self._faults as error:
            for name in task.rows or (task.name,):
                if name not in told:
                    self._add({"part": task.part, "name": name, "error": in_one_line(error)})
        finally:
            seconds = self._clock() - began
            self._took.setdefault(task.part, []).append(seconds)
            about = {"of": task.part, "seconds": round(seconds, 2), "held_s": round(sum(held), 2)}
            self._add({"part": TASK, "name": task.name, **about})

    def _open(self, tasks: Sequence[Task], number: int) -> _Opened:
        """That task's judge, opened now or before."""
        if number not in self._next:
            task = tasks[number]
            try:
                judge = self._opener(task.problem, task.settings, self._chosen.seed)
                self._next[number] = _Opened(judge=judge)
            except self._faults as error:
                self._next[number] = _Opened(error=error)
        return self._next[number]

    def _is_over(self) -> bool:
        limit = self._chosen.minutes
        return limit is not None and self._clock() - self._began > 60 * limit

    def _has_time_for(self, task: Task) -> bool:
        """Nothing is begun that would probably be cut off; a task of many rows is cut between two of them."""
        limit, took = self._chosen.minutes, self._took.get(task.part)
        if limit is None:
            return True
        needed = sum(took) / len(took) if took and not task.rows else 0.0
        return self._clock() - self._began + needed < 60 * limit


def in_one_line(error: BaseException) -> str:
    """For a table."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ToolError) and text else f"{type(error).__name__}: {text}"


def settings_of(judging: JudgeSettings, **more: Any) -> dict[str, Any]:
    """What of the settings decides how a number is to be read."""
    names = ("blocks", "check_seeds", "close_call_s", "admission", "compiled", "autotuned", "precision")
    return {**{name: getattr(judging, name) for name in names}, **more}
