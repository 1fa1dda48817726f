"""What an attack leaves behind: the next honest candidate has to get the same verdict and the same time.

For each attack on the environment the same honest program is judged before and after, by one judge on one machine, and
everything that could be left is counted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.integrity.corpus import Program
from evals.integrity.running import SETTINGS
from sandbox.base import Sandbox
from tools.judge import Judge
from tools.judging import single_judge
from tools.problem import JudgeSettings
from tools.verdict import Verdict

ROWS = ("E7", "E9", "E11", "E13", "E16", "E17", "E19", "E21", "E6", "R17", "R1", "T18")
"""Rows of the catalogue whose programs try to outlast their own judgement, or die of it."""


@dataclass(frozen=True)
class Remains:
    """What there is on this machine of what a judgement could leave."""

    processes: int
    memory_files: int
    memory_bytes: int
    """In use by the whole machine."""

    @classmethod
    def now(cls) -> Remains:
        """Count."""
        processes = sum(1 for path in Path("/proc").iterdir() if path.name.isdigit())
        shared = Path("/dev/shm")  # noqa: S108 - looked at, not written to
        files = sum(1 for _ in shared.iterdir()) if shared.is_dir() else 0
        facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(facts["MemAvailable"].split()[0]) * 1024
        return cls(processes, files, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") - free)


@dataclass(frozen=True)
class Survival:
    """One attack, between two judgements of the same honest program."""

    attack: Program
    verdict: Verdict
    before: Verdict
    after: Verdict
    left_before: Remains
    left_after: Remains

    @property
    def is_whole(self) -> bool:
        """Same verdict, an interval that holds the speed-up of before, nothing left."""
        if self.after.status != self.before.status or self.after.speedup is None or self.before.speedup is None:
            return False
        low, high = self.after.speedup_ci95 or (0.0, 0.0)
        same = low <= self.before.speedup <= high
        return same and self.left_after.processes <= self.left_before.processes

    @property
    def change(self) -> float | None:
        """Of the honest program's speed-up, as a share."""
        if self.after.speedup is None or not self.before.speedup:
            return None
        return self.after.speedup / self.before.speedup - 1


def survive(
    attacks: Sequence[Program],
    honest: Program,
    sandbox: Sandbox,
    home: Path,
    *,
    settings: JudgeSettings = SETTINGS,
    notice: Callable[[Survival], None] = lambda survival: None,
) -> list[Survival]:
    """Judge ``honest``, then an attack and ``honest`` again, in turn, all with one judge of the honest's problem.

    The attacks were written for other problems, perhaps, whose answers are wrong here; it is their side effects that
    count.
    """
    found = []
    with single_judge(honest.load_problem(), sandbox, settings, home) as judge:
        before = judge.judge(honest.candidate)
        for attack in attacks:
            survival = _one(judge, attack, honest, before)
            notice(survival)
            found.append(survival)
            before = survival.after
    return found


def _one(judge: Judge, attack: Program, honest: Program, before: Verdict) -> Survival:
    left_before = Remains.now()
    verdict = judge.judge(attack.candidate)
    after = judge.judge(honest.candidate)
    return Survival(attack, verdict, before, after, left_before, Remains.now())


def as_lines(survivals: Sequence[Survival]) -> str:
    """A table for people."""
    lines = ["| row | attack | its verdict | honest after it | change | processes left | MiB left |", "|---" * 7 + "|"]
    for item in survivals:
        change = "-" if item.change is None else f"{item.change:+.1%}"
        left = item.left_after.processes - item.left_before.processes
        memory = (item.left_after.memory_bytes - item.left_before.memory_bytes) >> 20
        speed = "-" if item.after.speedup is None else f"{item.after.speedup:.2f}x"
        cells = (item.attack.row, item.attack.name, item.verdict.reason or "accepted", f"{item.after.status}, {speed}")
        lines.append("| " + " | ".join([*cells, change, str(left), str(memory)]) + " |")
    return "\n".join(lines)
