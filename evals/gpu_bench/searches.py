"""The builtin model on suites for GPUs: the wide one, and the paper's kernels.

How forty problems fit into twenty minutes of a GPU, and what that costs in truth:

* Two candidates a problem, proposed side by side: the builtin model's first plan and its next. More of them find a few
  per cent more, on a minute each.
* No close calls (``close_call_s=0``): what is within noise stays *ambiguous* and counts 1.0, instead of being measured
  for three minutes.
* ``autotuned=False``: torch.compile's max-autotune takes up to a minute a problem, most of it for products. Without it
  speed-ups are over the faster of eager and torch.compile, and the page says so; ``--autotuned`` measures it too. The
  five problems of the paper always have it, since the paper's own baseline was it.
* Correctness is not touched: admission, seeds, dresses and licence are those of any run.
* memcheck is left out of champions (``memcheck_s=0``): it finds wrong accesses, which is no figure here.
* A problem at its floor is searched all the same: its row says how near the best candidate comes.
* A champion is confirmed within its run; the suite runner's second judge, which would take as long again, is left out.
* The next problem's processes import torch while this one is measured; the device is held by one at a time.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from agent.events import Event
from agent.outcome import Outcome
from agent.run import Seams, optimize
from agent.settings import AgentSettings
from evals.gpu_bench.pieces import Row
from evals.gpu_bench.running import Chosen, Task, Turn, settings_of
from evals.suite import SuiteProblem, load_suite
from tools.problem import JudgeSettings
from tools.verdict import Verdict

WIDE: Final = "model"
PAPER: Final = "paper"
SUITES: Final = {WIDE: "gpu", PAPER: "paper"}
REHEARSED: Final = {WIDE: "cpu_core", PAPER: "cpu_core"}
CANDIDATES: Final = {WIDE: 2, PAPER: 4}
PATIENCE: Final = {WIDE: 1.0, PAPER: 3.0}
"""Times ``max_seconds``: the paper's kernels have up to four cases each, and twice the candidates."""
QUICK = JudgeSettings(close_call_s=0, autotuned=False, memory_bytes=16 << 30, memcheck_s=0)
THOROUGH = QUICK.model_copy(update={"autotuned": True})


def tasks(part: str, chosen: Chosen, *, autotuned: bool = False, rehearse: bool = False) -> list[Task]:
    """One a problem, families in turn: however few are measured, they are of many kinds."""
    settings = THOROUGH if part == PAPER else QUICK.model_copy(update={"autotuned": autotuned})
    if rehearse:
        settings = settings.model_copy(update={"blocks": 4, "memory_bytes": 4 << 30})
    suite = load_suite((REHEARSED if rehearse else SUITES)[part])
    return [
        Task(part, item.name, item.problem, settings, partial(_search, part, item, settings, chosen))
        for item in in_turn(suite.problems)
        if chosen.wants(part, item.name)
    ]


def in_turn(problems: Sequence[SuiteProblem]) -> list[SuiteProblem]:
    """The first of every family, then the second of every family, and so on."""
    families: dict[str, list[SuiteProblem]] = {}
    for item in problems:
        families.setdefault(item.family, []).append(item)
    return [item for row in zip_longest(*families.values()) for item in row if item is not None]


def _search(part: str, item: SuiteProblem, judging: JudgeSettings, chosen: Chosen, turn: Turn) -> None:
    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)
        if event.type == "baselines_measured":
            turn.ahead()

    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kernelwright-bench-") as folder:
        settings = AgentSettings(
            target=turn.target,
            language=turn.language,
            max_candidates=CANDIDATES[part],
            max_seconds=chosen.max_seconds * PATIENCE[part],
            seed=chosen.seed,
            memory=False,
            stop_at_floor=False,
            home=Path(folder),
            out=Path(folder, "run"),
        )
        outcome = optimize(item.problem, settings, subscribers=[hear], seams=Seams(judge=turn.judge))
        if outcome.status == "interrupted":
            raise KeyboardInterrupt
        source = Path(outcome.best["path"]).read_text(encoding="utf-8") if outcome.best else None
    row = row_of(item, outcome, heard)
    row["seconds"], row["source"] = round(time.monotonic() - begun, 2), source
    row["settings"] = settings_of(judging, max_candidates=settings.max_candidates, max_seconds=settings.max_seconds)
    turn.tell(row)


def row_of(item: SuiteProblem, outcome: Outcome, events: Sequence[Event]) -> Row:
    """What a run found, from its events; ``error`` if it could not be run to its end."""
    told: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        told.setdefault(event.type, []).append(event.data)
    verdicts = {name: [Verdict.from_json(data["verdict"]) for data in told.get(name, [])] for name in _JUDGED}
    every = [verdict for name in _JUDGED for verdict in verdicts[name]]
    best = best_of(verdicts["judged"], verdicts["confirmed"])
    described = told.get("described", [{}])[0]
    measured = told.get("baselines_measured", [{}])[0]
    row: Row = {
        "name": item.name,
        "family": item.family,
        "bound": bound_of(item.problem.source),
        "dtype": dtype_of(described),
        "status": outcome.status,
        "message": outcome.message,
        "candidates": outcome.candidates,
        "accepted": outcome.accepted,
        "confirmed": outcome.status == "improved",
        "judgements": [
            {"candidate": item.candidate, "speedup": item.speedup, "confirmed": item.confirmed}
            for item in every
            if item.status == "accepted"
        ],
        "refused": [f"{item.reason}: {item.detail}"[:200] for item in every if item.status == "rejected"],
        "baselines": measured.get("baselines", {}),
        "baseline_cases": {
            name: {case: timing["median_s"] for case, timing in cases.items()}
            for name, cases in measured.get("cases", {}).items()
        },
        "verdict": best.to_json() if best else None,
        "held_s": round(sum(verdict.held_s for verdict in every), 3),
    }
    if outcome.status == "failed":
        row["error"] = outcome.message or "the run failed"
    return row


_JUDGED: Final = ("judged", "confirmed")


def best_of(judged: Sequence[Verdict], confirmed: Sequence[Verdict]) -> Verdict | None:
    """The verdict to be believed: the last confirmation that accepted, which is the one that held if any did; else the
    fastest.
    """
    passed = [verdict for verdict in confirmed if verdict.status == "accepted"]
    if passed:
        return passed[-1]
    return max(
        (verdict for verdict in judged if verdict.status == "accepted"),
        key=lambda verdict: verdict.speedup or 0.0,
        default=None,
    )


def bound_of(source: str) -> str:
    """What the problem file says limits it."""
    found = re.search(r'^BOUND = "(\w+)"', source, re.MULTILINE)
    return found.group(1) if found else "not said"


def dtype_of(described: dict[str, Any]) -> str:
    """Of the first input that is a floating point tensor."""
    for case in described.get("cases", []):
        for item in case["inputs"]:
            if isinstance(item, dict) and "float" in item["dtype"]:
                return str(item["dtype"])
    return "whole numbers" if described else "not known"
