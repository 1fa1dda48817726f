"""The builtin model's champions judged once more, with torch.compile's max-autotune among the baselines.

The wide part leaves it out, to be able to measure many problems. Whoever has minutes left takes the champions from the
pieces, where their text is, and confirms them by a judge that has never seen them: a second opinion, over the strongest
baseline.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from evals.gpu_bench.pieces import Row
from evals.gpu_bench.running import Chosen, Task, Turn, settings_of
from evals.gpu_bench.searches import QUICK, REHEARSED, SUITES, WIDE
from evals.intervals import geometric_mean
from evals.scoring import credit
from evals.suite import load_suite
from tools.candidate import Candidate
from tools.problem import JudgeSettings

PART = "rematch"
SETTINGS = QUICK.model_copy(update={"autotuned": True})


def tasks(chosen: Chosen, rows: Sequence[Row], *, rehearse: bool = False) -> list[Task]:
    """One a champion among the rows of the wide part."""
    settings = SETTINGS.model_copy(update={"blocks": 4, "memory_bytes": 4 << 30}) if rehearse else SETTINGS
    problems = {item.name: item.problem for item in load_suite((REHEARSED if rehearse else SUITES)[WIDE]).problems}
    return [
        Task(PART, row["name"], problems[row["name"]], settings, partial(_confirm, row, settings))
        for row in rows
        if row.get("source") and row["name"] in problems and chosen.wants(PART, row["name"])
    ]


def _confirm(champion: Row, settings: JudgeSettings, turn: Turn) -> None:
    begun = time.monotonic()
    turn.judge.describe()
    turn.ahead()
    candidate = Candidate(source=champion["source"], language=champion["verdict"]["language"])
    verdict = turn.judge.confirm(candidate)
    row: Row = {
        "name": champion["name"],
        "seconds": round(time.monotonic() - begun, 2),
        "held_s": verdict.held_s,
        "settings": settings_of(settings),
        "verdict": verdict.to_json(),
    }
    if verdict.status == "infrastructure_error":
        row["error"] = f"could not be judged: {verdict.detail}"
    turn.tell(row)


def summary(champions: Sequence[Row], rematches: Sequence[Row]) -> str:
    """How many champions stay faster, in a sentence; nothing where there was no rematch."""
    first = {row["name"]: row["verdict"] for row in champions if row.get("confirmed")}
    again = {row["name"]: row["verdict"] for row in rematches if "error" not in row and row["name"] in first}
    if not again:
        return ""
    faster = [name for name, verdict in again.items() if verdict["status"] == "accepted" and verdict["faster"] is True]
    before = geometric_mean([credit(first[name]["speedup"]) for name in again])
    after = geometric_mean([credit(again[name]["speedup"], name in faster) for name in again])
    return (
        f"{len(again)} of {len(first)} champions were judged again by another judge, with max-autotune among the "
        f"baselines: {len(faster)} are faster than all of them; geometric mean {after:.2f}x, before {before:.2f}x."
    )
