"""How often the judge sees a difference where there is none, and how often it finds one that is there.

Two processes run the same operator (a pair A/A), or one of them does a stated share less of the same work (a pair
A/B), and are timed by the protocol of a judgement, down to the words *faster*, *not faster* and *ambiguous*. Processes
are replaced now and then, because they differ. Run by ``make bench-aa``.
"""

from __future__ import annotations

import json
import math
import random
import secrets
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.base import Mount, Sandbox
from tools.benchmarking import CANDIDATE, measure, overall, plan_for, summarise
from tools.caches import Flush
from tools.contender import Contender, blame_ourselves
from tools.inputs import Draw
from tools.intervals import verdict_on
from tools.oracle import Constructor
from tools.worker import Launcher

STEPS = 100
"""Of the operator's work; a gain of 3 % leaves out three of them."""
SOURCE = """
import torch
class ModelNew(torch.nn.Module):
    def forward(self, x):
        for _ in range({steps}):
            x = {step}
        return x
"""
STEP = {"compute": "torch.sin(x)", "memory": "x + 1.0"}
SIZE = {"compute": 1 << 14, "memory": 1 << 19}
"""Elements: of the one, all stays in the innermost caches; of the other, every step passes through memory."""
PAIRS_A_PROCESS = 12
BASELINE = "eager"


@dataclass
class Tally:
    """What was said of so many pairs."""

    kind: str
    gain: float
    said: Counter[str] = field(default_factory=Counter)
    ratios: list[list[float]] = field(default_factory=list)
    """Log ratios, by the processes they were measured with."""

    @property
    def pairs(self) -> int:
        """How many."""
        return sum(self.said.values())

    def to_json(self) -> dict[str, Any]:
        """Counts, and the standard deviations within and between processes."""
        whole = [ratio for group in self.ratios for ratio in group]
        groups = [group for group in self.ratios if len(group) > 1]
        within = math.sqrt(statistics.fmean(statistics.variance(group) for group in groups)) if groups else None
        between = statistics.stdev(map(statistics.fmean, groups)) if len(groups) > 1 else None
        return {
            "kind": self.kind,
            "gain": self.gain,
            "pairs": self.pairs,
            **{word: self.said[word] for word in ("faster", "not faster", "ambiguous")},
            "mean_ratio": math.exp(statistics.fmean(whole)) if whole else None,
            "sd_within_processes": within,
            "sd_between_processes": between,
            "processes": len(self.ratios),
        }


def run_pairs(
    sandbox: Sandbox,
    kind: str,
    gain: float,
    seconds: float,
    blocks: int,
    threads: int,
    work: Path,
    notice: Callable[[str], None] = lambda text: None,
) -> Tally:
    """Measure pairs for so many seconds. ``gain``: share of the work that the second one leaves out, 0 for A/A."""
    tally = Tally(kind, gain)
    launcher = Launcher(sandbox, threads=threads, memory_bytes=2 << 30, timeout_s=60.0)
    flush = Flush()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        tally.ratios.append([])
        with ExitStack() as stack:
            pair = {
                name: _open(stack, launcher, work / name, kind, steps)
                for name, steps in ((BASELINE, STEPS), (CANDIDATE, round(STEPS * (1 - gain))))
            }
            estimate = _estimate(pair[BASELINE], kind)
            for _ in range(PAIRS_A_PROCESS):
                if time.monotonic() >= deadline:
                    break
                plan = plan_for(estimate, 0.0, 3, blocks)
                lot = random.Random(secrets.randbits(64))  # noqa: S311 - which order, no secret
                draw = partial(_draw, kind, plan.calls)
                series = measure(pair, plan, lot, BASELINE, draw, flush=flush)
                interval, spread = overall([summarise("pair", series, 0)], 0)
                word = {True: "faster", False: "not faster", None: "ambiguous"}[verdict_on(interval, spread)]
                tally.said[word] += 1
                tally.ratios[-1].append(math.log(interval.value))
        notice(json.dumps(tally.to_json()))
    return tally


def _open(stack: ExitStack, launcher: Launcher, folder: Path, kind: str, steps: int) -> Contender:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "candidate.py").write_text(SOURCE.format(steps=steps, step=STEP[kind]), encoding="utf-8")
    folder.chmod(0o755)
    mount = Mount(folder, "/candidate")
    worker = launcher.start("candidate", folder.name, [mount])
    contender = Contender(folder.name, worker, blame_ourselves(folder.name))
    stack.callback(contender.close)
    contender.load(f"{launcher.inside(mount)}/candidate.py", Constructor({"list": []}, (), {}, (), 0))
    return contender


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
    """Kind, gain and seconds: most of the time for pairs without a difference, which are wrong so rarely."""
    for kind in STEP:
        yield kind, 0.0, seconds * 0.3
        yield kind, 0.03, seconds * 0.2


def as_lines(tallies: list[Tally]) -> str:
    """A table for people."""
    lines = ["| operator | true gain | pairs | faster | not faster | ambiguous | mean | sd within | sd between |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    for tally in tallies:
        facts = tally.to_json()
        cells = [tally.kind, f"{tally.gain:.0%}", tally.pairs]
        cells += [facts[word] for word in ("faster", "not faster", "ambiguous")]
        cells.append(f"{facts['mean_ratio']:.4f}")
        spreads = (facts["sd_within_processes"], facts["sd_between_processes"])
        cells += ["-" if spread is None else f"{spread:.2%}" for spread in spreads]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)
