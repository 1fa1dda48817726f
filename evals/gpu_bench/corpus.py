"""The adversarial corpus of GPUs in pieces: a task is a problem of it with all programs that answer it."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path

from evals.gpu_bench.pieces import Row
from evals.gpu_bench.running import Chosen, Task, Turn
from evals.integrity.corpus import Program, load_corpus
from evals.integrity.reporting import IntegrityReport
from evals.integrity.running import ON_DEVICE, SETTINGS, Outcome, run_corpus
from sandbox.base import Sandbox
from tools.errors import RequestError
from tools.verdict import Verdict

PART = "integrity"


def tasks(chosen: Chosen, sandbox: Sandbox, *, rehearse: bool = False) -> list[Task]:
    """Problems with most programs first: the description of each takes as long as several of them."""
    by_problem: dict[str, list[Program]] = {}
    for program in load_corpus("cpu" if rehearse else "cuda"):
        if chosen.wants(PART, program.name):
            by_problem.setdefault(program.problem, []).append(program)
    settings = SETTINGS if rehearse else ON_DEVICE
    return [
        Task(
            PART,
            problem,
            mine[0].load_problem(),
            settings,
            partial(_judge_all, mine, sandbox, chosen.allow_unsandboxed),
            tuple(item.name for item in mine),
        )
        for problem, mine in sorted(by_problem.items(), key=lambda pair: -len(pair[1]))
    ]


def _judge_all(programs: list[Program], sandbox: Sandbox, allow_unsandboxed: bool, turn: Turn) -> None:
    if not sandbox.isolation.is_boundary and not allow_unsandboxed:
        raise RequestError("the attacks run only in a sandbox: apt-get install bubblewrap")
    heard: list[str] = []

    def notice(outcome: Outcome) -> None:
        heard.append(outcome.program.name)
        if len(heard) == len(programs) - 1:
            turn.ahead()
        turn.tell(row_of(outcome))

    run_corpus(programs, sandbox, Path(), judge_for=lambda _: nullcontext(turn.judge), notice=notice)


def row_of(outcome: Outcome) -> Row:
    """A verdict on one program; one that could not be reached is an error."""
    verdict = outcome.verdict
    row: Row = {
        "name": outcome.program.name,
        "seconds": round(outcome.seconds, 2),
        "held_s": verdict.held_s,
        "verdict": verdict.to_json(),
    }
    if verdict.status == "infrastructure_error":
        row["error"] = f"could not be judged: {verdict.detail}"
    return row


def report_of(rows: list[Row], isolation: str, version: str, date: str, *, rehearse: bool = False) -> IntegrityReport:
    """As ``kernelwright eval integrity`` writes it, of the rows that have a verdict; the rest counts as skipped."""
    programs = {item.name: item for item in load_corpus("cpu" if rehearse else "cuda")}
    outcomes = [
        Outcome(programs[row["name"]], Verdict.from_json(row["verdict"]), row["seconds"])
        for row in rows
        if row["name"] in programs and row.get("verdict")
    ]
    order = list(programs)
    outcomes.sort(key=lambda outcome: order.index(outcome.program.name))
    return IntegrityReport(outcomes, isolation, version, date, skipped=len(programs) - len(outcomes))
