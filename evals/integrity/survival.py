"""What an attack leaves behind: the next honest candidate has to get the same verdict and the same time.

For each attack on the environment the same honest program is judged before and after, by one judge on one machine, and
everything that could be left is counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean

from evals.integrity.corpus import Program
from evals.integrity.running import SETTINGS
from sandbox.base import Sandbox
from tools.judge import Judge
from tools.opening import single_judge
from tools.problem import JudgeSettings
from tools.verdict import Verdict

ROWS = ("E7", "E9", "E11", "E13", "E16", "E17", "E19", "E21", "E6", "R17", "R1", "T18")
"""Rows of the catalogue whose programs try to outlast their own judgement, or die of it."""
SAME = 0.02
"""Share by which the honest program's speed-up may differ from what it was."""
FIRST, MOST = 3, 4
"""Judgements of the honest program before everything, and after an attack at most."""
SETTLING_S = 5.0
_KERNEL_THREAD = 0x00200000
"""PF_KTHREAD of include/linux/sched.h, in the flags of /proc/PID/stat (proc(5))."""
MEMORY_NOISE_BYTES = 64 << 20
"""By which what the machine calls available comes and goes by itself."""


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
        processes = sum(1 for path in Path("/proc").iterdir() if path.name.isdigit() and not _is_kernels(path))
        shared = Path("/dev/shm")  # noqa: S108 - looked at, not written to
        files = sum(1 for _ in shared.iterdir()) if shared.is_dir() else 0
        facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(facts["MemAvailable"].split()[0]) * 1024
        return cls(processes, files, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") - free)


def _is_kernels(process: Path) -> bool:
    """Whether it is a thread of the kernel's, which come and go by themselves; so is one that is gone by now."""
    try:
        told = (process / "stat").read_text()
    except OSError:
        return True
    return bool(int(told.rpartition(")")[2].split()[6]) & _KERNEL_THREAD)


@dataclass(frozen=True)
class Survival:
    """One attack, and the judgements of an honest program before and after it."""

    attack: Program
    verdict: Verdict
    usual: float
    """The honest program's speed-up, the geometric mean of what was told before."""
    status: str
    """Of its judgement before."""
    after: tuple[Verdict, ...]
    """One, or a few where that one was off by more than ``SAME``."""
    left_before: Remains
    left_after: Remains

    @property
    def is_whole(self) -> bool:
        """Same verdict, same speed-up within ``SAME``, nothing left."""
        same = all(verdict.status == self.status for verdict in self.after)
        return same and abs(self.change or 0.0) <= SAME and not self.left

    @property
    def change(self) -> float | None:
        """Of the honest program's speed-up, as a share."""
        told = [verdict.speedup for verdict in self.after if verdict.speedup]
        return geometric_mean(told) / self.usual - 1 if told and self.usual else None

    @property
    def left(self) -> list[str]:
        """What there is more of than before, in words."""
        now, before = self.left_after, self.left_before
        more = {
            "processes": now.processes - before.processes,
            "memory files": now.memory_files - before.memory_files,
            "MiB": max(0, now.memory_bytes - before.memory_bytes - MEMORY_NOISE_BYTES) >> 20,
        }
        return [f"{count} {what}" for what, count in more.items() if count > 0]


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
    found: list[Survival] = []
    with single_judge(honest.load_problem(), sandbox, settings, home) as judge:
        first = [judge.judge(honest.candidate) for _ in range(FIRST)]
        told = [verdict.speedup or 1.0 for verdict in first]
        for attack in attacks:
            left_before = Remains.now()
            verdict = judge.judge(attack.candidate)
            after = _judged_after(judge, honest, geometric_mean(told))
            told += [item.speedup or 1.0 for item in after]
            usual = geometric_mean(told[: -len(after)])
            left = _settled(left_before)
            found.append(Survival(attack, verdict, usual, first[0].status, after, left_before, left))
            notice(found[-1])
    return found


def _judged_after(judge: Judge, honest: Program, usual: float) -> tuple[Verdict, ...]:
    """Once; where that is off, which one judgement in some is by chance, as often as it takes to tell."""
    after: list[Verdict] = []
    while len(after) < MOST:
        after.append(judge.judge(honest.candidate))
        told = [verdict.speedup or 1.0 for verdict in after]
        if abs(geometric_mean(told) / usual - 1) <= SAME:
            break
    return tuple(after)


def _settled(before: Remains) -> Remains:
    """What is left, once what is on its way out is gone."""
    deadline = time.monotonic() + SETTLING_S
    while time.monotonic() < deadline:
        now = Remains.now()
        if now.processes <= before.processes and now.memory_bytes <= before.memory_bytes + MEMORY_NOISE_BYTES:
            return now
        time.sleep(0.05)
    return Remains.now()


def as_lines(survivals: Sequence[Survival]) -> str:
    """A table for people."""
    lines = ["| row | attack | its verdict | honest after it | times | change | left |", "|---" * 7 + "|"]
    for item in survivals:
        change = "-" if item.change is None else f"{item.change:+.1%}"
        last = item.after[-1]
        speed = "-" if last.speedup is None else f"{last.speedup:.2f}x"
        cells = (item.attack.row, item.attack.name, item.verdict.reason or "accepted", f"{last.status}, {speed}")
        left = ", ".join(item.left) or "nothing"
        lines.append("| " + " | ".join([*cells, str(len(item.after)), change, left]) + " |")
    return "\n".join(lines)
