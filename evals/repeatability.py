"""How often the judge sees a difference where there is none, and how often it finds one that is there.

Two processes run the same operator (a pair A/A), or one of them does a stated share less of the same work (a pair
A/B), and are timed by the protocol of a confirmation, further sittings of close calls included, down to the words
*faster*, *not faster* and *ambiguous*. Run by ``make bench-aa``.
"""

from __future__ import annotations

import json
import math
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, variance
from typing import Any

from sandbox.base import Mount, Sandbox
from tools.auditing import one_call_each
from tools.benchmarking import (
    CANDIDATE,
    CASE_BUDGET_S,
    CaseRatios,
    measure,
    plan_for,
    summarise,
)
from tools.caches import Flush
from tools.contender import Call, Contender, blame_ourselves
from tools.inputs import Draw
from tools.intervals import verdict_on
from tools.judging import CONFIRM_TIMES
from tools.launching import Launcher
from tools.oracle import Constructor
from tools.problem import JudgeSettings
from tools.sittings import combined, settle
from tools.worker import Worker

STEPS = 206
"""Of the operator's work. The other of a pair with a true gain of 3 % does 200."""
SOURCE = """
import torch
class ModelNew(torch.nn.Module):
    def forward(self, x):
        for _ in range({steps}):
            x = {step}
        return x
"""
STEP = {"compute": "torch.sin(x)", "memory": "x + 1.0"}
SIZE = {"compute": 1 << 14, "memory": 1 << 18}
"""Elements: of the one, all stays in the innermost caches; of the other, every step goes beyond them."""
BASELINE = "eager"
BLOCKS = JudgeSettings().blocks * CONFIRM_TIMES
RESERVE_BYTES = 32 << 20
"""More than the operator's tensors need in two windows."""


@dataclass
class Tally:
    """What was said of so many pairs."""

    kind: str
    gain: float
    said: Counter[str] = field(default_factory=Counter)
    sittings: list[list[float]] = field(default_factory=list)
    """By pair, the log of the ratio of each sitting."""
    seconds: float = 0.0
    """What all pairs together took."""

    @property
    def pairs(self) -> int:
        """How many."""
        return sum(self.said.values())

    def to_json(self) -> dict[str, Any]:
        """Counts, and the standard deviation of a sitting."""
        values = [fmean(group) for group in self.sittings]
        several = [group for group in self.sittings if len(group) > 1]
        return {
            "kind": self.kind,
            "gain": self.gain,
            "pairs": self.pairs,
            **{word: self.said[word] for word in ("faster", "not faster", "ambiguous")},
            "mean_ratio": math.exp(fmean(values)) if values else None,
            "sd_of_sittings": math.sqrt(fmean(map(variance, several))) if several else None,
            "sittings": fmean(map(len, self.sittings)) if self.sittings else None,
            "seconds": self.seconds / max(1, self.pairs),
        }


def run_pairs(
    sandbox: Sandbox,
    kind: str,
    gain: float,
    seconds: float,
    threads: int,
    work: Path,
    budget_s: float,
    notice: Callable[[str], None] = lambda text: None,
) -> Tally:
    """Measure pairs for so many seconds, the last one to its end.

    ``gain``: how much less the second one does, as a share of what it does; 0 for A/A. ``budget_s``: for close calls.
    """
    tally = Tally(kind, gain)
    launcher = Launcher(sandbox, threads=threads, memory_bytes=2 << 30, timeout_s=60.0)
    sit = partial(_sit, launcher, Flush(), kind, round(STEPS / (1 + gain)), work)
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        sittings = settle(sit(), sit, 0, budget_s)
        interval, spread = combined(sittings, 0)
        word = {True: "faster", False: "not faster", None: "ambiguous"}[verdict_on(interval, spread)]
        tally.said[word] += 1
        tally.sittings.append([cases[0].value for cases in sittings])
        tally.seconds = time.monotonic() - begin
        notice(json.dumps(tally.to_json()))
    return tally


def _sit(launcher: Launcher, flush: Flush, kind: str, steps: int, work: Path) -> list[CaseRatios]:
    """Measure with fresh processes."""
    with ExitStack() as stack:
        pair, paths = {}, {}
        for name, count in _pair(steps):  # both import torch at once
            paths[name], worker = _start(launcher, work / name, kind, count)
            pair[name] = Contender(name, worker, blame_ourselves(name))
            stack.callback(pair[name].close)
        for name, contender in pair.items():
            contender.load(paths[name], Constructor({"list": []}, (), {}, (), 0))
            contender.reserve(RESERVE_BYTES)
        plan = plan_for(_estimate(pair[BASELINE], kind), 0.0, 3, BLOCKS, budget_s=CONFIRM_TIMES * CASE_BUDGET_S)
        lot = random.Random(secrets.randbits(64))  # noqa: S311 - which order, no secret
        draw, alone = partial(_draw, kind, plan.calls), partial(_alone, pair, kind, lot, flush)
        series = measure(pair, plan, lot, BASELINE, draw, flush=flush, alone=alone)
        return [summarise("pair", series, 0)]


def _alone(pair: dict[str, Contender], kind: str, lot: random.Random, flush: Flush) -> tuple[Call, Call]:
    """A window of one call, of both."""
    calls = one_call_each(pair, _draw(kind, 1)[0], lot, flush)
    return calls[CANDIDATE], calls[BASELINE]


def _pair(steps: int) -> list[tuple[str, int]]:
    """Both, in random order: who comes first may find other memory."""
    both = [(BASELINE, STEPS), (CANDIDATE, steps)]
    return both if secrets.randbits(1) else both[::-1]


def _start(launcher: Launcher, folder: Path, kind: str, steps: int) -> tuple[str, Worker]:
    """Where the operator is, and a process that still imports torch."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "candidate.py").write_text(SOURCE.format(steps=steps, step=STEP[kind]), encoding="utf-8")
    folder.chmod(0o755)
    mount = Mount(folder, "/candidate")
    return f"{launcher.inside(mount)}/candidate.py", launcher.start("candidate", folder.name, [mount])


def _estimate(contender: Contender, kind: str) -> float:
    calls = [contender.run(_draw(kind, 1)).claimed_s for _ in range(5)]
    return min(calls)


def _draw(kind: str, calls: int) -> list[Draw]:
    import numpy as np

    random_numbers = np.random.default_rng(secrets.randbits(64))
    size = SIZE[kind]
    spec = {"list": [{"tensor": 0}]}
    packed = (["float32", [size], [1], size],)
    return [
        Draw("pair", spec, packed, (bytearray(random_numbers.standard_normal(size, dtype=np.float32).tobytes()),), 0)
        for _ in range(calls)
    ]


def plan_of_all(seconds: float) -> Iterator[tuple[str, float, float]]:
    """Kind, gain and seconds."""
    for kind in STEP:
        yield kind, 0.0, seconds * 0.25
        yield kind, 0.03, seconds * 0.25


def as_lines(tallies: list[Tally]) -> str:
    """A table for people."""
    lines = [
        "| operator | true gain | pairs | faster | not faster | ambiguous | mean | sd of a sitting | sittings | s |"
    ]
    lines.append("|---|---|---|---|---|---|---|---|---|---|")
    for tally in tallies:
        facts = tally.to_json()
        cells = [tally.kind, f"{tally.gain:.0%}", tally.pairs]
        cells += [facts[word] for word in ("faster", "not faster", "ambiguous")]
        cells += [_shown(facts["mean_ratio"], ".4f"), _shown(facts["sd_of_sittings"], ".2%")]
        cells += [_shown(facts["sittings"], ".1f"), _shown(facts["seconds"], ".0f")]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _shown(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
