"""Reports made of what was measured once: the noise is that of judgements that were made twice on one machine."""

from __future__ import annotations

import math
import random
import re
from pathlib import Path

from evals.reporting import SuiteReport
from evals.results import Host, SuiteResult
from tools.verdict import Verdict

MACHINE = {"cpu": "a processor", "cores": 2, "torch": "2.13.0", "system": "", "isolation": [], "evidence": []}
HOST = Host(cpu="a processor", threads=2, torch_version="2.13.0")
_TWICE = re.compile(r"\| ([\d.]+) \(([\d.]+) to ([\d.]+)\) \| ([\d.]+) \([\d.]+ to [\d.]+\) \|")


def recorded(repository: Path) -> tuple[list[tuple[float, float]], list[float]]:
    """Speed-up and half width of the log interval of real champions; and the logs by which verdicts were off."""
    text = (repository / "docs/results/2026-11-24-cpu-threes.md").read_text(encoding="utf-8")
    rows = [tuple(map(float, row)) for row in _TWICE.findall(text)]
    assert len(rows) == 24
    noise = [sign * math.log(again / first) / math.sqrt(2) for first, _, _, again in rows for sign in (1, -1)]
    return [(first, math.log(high / low) / 2) for first, low, high, _ in rows], noise


def result(name: str, speedup: float | None, repeat: int = 1, *, half: float = 0.02, **about: object) -> SuiteResult:
    """A finished run; below 1.05 nothing faster was found."""
    improved = speedup is not None and speedup > 1.05
    verdict = None
    if improved:
        interval = (speedup * math.exp(-half), speedup * math.exp(half))
        verdict = Verdict(
            status="accepted", speedup=speedup, speedup_ci95=interval, faster=True, baselines={"eager": 0.01}
        )
    status = "improved" if improved else "no_improvement"
    outcome = {"status": status, "accepted": 1, "tokens": 100, "cost_usd": 0.01, "elapsed_s": 5.0}
    facts = {
        "key": "k", "name": name, "family": "f", "sha256": f"hash of {name}", "repeat": repeat, "outcome": outcome,
        "first": verdict, "second": verdict, "host": HOST,
    }  # fmt: skip
    return SuiteResult(**{**facts, **about})


def failed(name: str, repeat: int = 1, **about: object) -> SuiteResult:
    return result(name, None, repeat, outcome=None, error="no memory", host=None, **about)


def report(*results: SuiteResult, **about: object) -> SuiteReport:
    facts = {
        "status": "complete", "suite": "mine", "suite_id": "0", "description": "", "target": "cpu", "language": "cpp",
        "model": "builtin", "precision": "native", "seed": 0, "version": "1", "date": "2026-01-31", "command": "c",
        "machine": MACHINE, "planned": len(results), "results": results,
        "repeats": max((one.repeat for one in results), default=1),
    }  # fmt: skip
    return SuiteReport(**{**facts, **about})


def evaluated(
    truth: list[tuple[float, float]], noise: list[float], lot: random.Random, repeats: int, slower: float = 1.0
) -> SuiteReport:
    """An evaluation of an agent that finds what it found then, each verdict off by what one was off then."""
    return report(
        *(
            result(f"p{place}", speedup / slower * math.exp(lot.choice(noise)), repeat, half=half)
            for repeat in range(1, repeats + 1)
            for place, (speedup, half) in enumerate(truth)
        )
    )
