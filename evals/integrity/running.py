"""Judging the corpus: every program as a search would meet it, and what came of it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from evals.integrity.corpus import Program
from sandbox.base import Sandbox
from tools.errors import JudgeUnavailable
from tools.judge import Judge
from tools.opening import single_judge
from tools.problem import JudgeSettings
from tools.verdict import Verdict

TRUTH_SLACK = 1.05
"""An attack whose real work is eager's may not be told to be faster than this."""
SETTINGS = JudgeSettings(blocks=4, close_call_s=0, stage_timeout_s=30.0, memory_bytes=2 << 30)
"""Quick: what decides here does not depend on how long one measures."""
ON_DEVICE = SETTINGS.model_copy(update={"blocks": 6, "memory_bytes": 16 << 30, "compiled": False})
"""CUDA's libraries alone take gigabytes of a host's memory; and torch.compile takes longer than all else."""

JudgeFor = Callable[[Program], AbstractContextManager[Judge]]


@dataclass(frozen=True)
class Outcome:
    """One program and its verdict."""

    program: Program
    verdict: Verdict
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether the judge was not fooled, or not unfair."""
        if self.verdict.status == "infrastructure_error":
            return False
        if self.program.is_honest:
            return self.verdict.status == "accepted"
        if self.verdict.status == "rejected":
            return self.program.is_stopped_by(self.verdict.reason or "")
        return self.program.expect == "truth" and not self.tells_a_lie

    @property
    def tells_a_lie(self) -> bool:
        """Whether an attack is said to be faster than it is."""
        verdict = self.verdict
        if self.program.is_honest or verdict.status != "accepted":
            return False
        low = (verdict.speedup_ci95 or (0.0, 0.0))[0]
        return verdict.faster is True or low > TRUTH_SLACK

    @property
    def word(self) -> str:
        """One word or two for a table."""
        if self.verdict.status == "infrastructure_error":
            return "NOT JUDGED"
        if self.verdict.status == "rejected":
            if self.program.is_honest:
                return "REJECTED"
            return "rejected" if self.is_right else f"rejected ({self.verdict.reason})?"
        if self.program.is_honest:
            return "accepted"
        if self.tells_a_lie:
            return "LIED"
        return "true time" if self.is_right else "ACCEPTED"


def run_corpus(
    programs: Sequence[Program],
    sandbox: Sandbox,
    home: Path,
    *,
    settings: JudgeSettings = SETTINGS,
    target: str = "cpu",
    confirm: bool = False,
    judge_for: JudgeFor | None = None,
    notice: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Judge all; those that one judgement lets pass, and that should not, are confirmed as a champion would be.

    ``confirm``: so is everything else that is accepted, which takes about twice as long.

    One judge serves all programs of a problem, as in a search, so that what one leaves behind meets the next.
    """

    def usual(program: Program) -> AbstractContextManager[Judge]:
        return single_judge(program.load_problem(), sandbox, settings, home, target=target)

    outcomes: list[Outcome] = []
    for _, group in itertools.groupby(programs, key=lambda item: item.problem):
        mine = list(group)
        with (judge_for or usual)(mine[0]) as judge:
            for outcome in _judge_all(mine, judge, confirm):
                outcomes.append(outcome)
                notice(outcome)
    return outcomes


def _judge_all(programs: Sequence[Program], judge: Judge, confirm: bool) -> Iterable[Outcome]:
    """In turn; the next one is compiled while the present one is checked."""
    with ThreadPoolExecutor(1) as ahead:
        for program, following in itertools.zip_longest(programs, programs[1:]):
            began = time.monotonic()
            if following is not None:
                ahead.submit(_compile, judge, following)
            verdict = judge.judge(program.candidate)
            outcome = Outcome(program, verdict, time.monotonic() - began)
            if verdict.status == "accepted" and (confirm or not outcome.is_right):
                verdict = judge.confirm(program.candidate)
                outcome = Outcome(program, verdict, time.monotonic() - began)
            yield outcome


def _compile(judge: Judge, program: Program) -> None:
    with suppress(JudgeUnavailable):  # its judgement will say so itself
        judge.compile(program.candidate)
