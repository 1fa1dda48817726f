"""What judging a candidate costs, and where each second goes, beside KernelBench's own evaluator.

That took 76 to 90 s for its level-1 problem 23 (softmax, Triton), 111 s for 19 (ReLU through load_inline) and 6 to 8 s
for 88 (GELU) on an H200, a fresh process a candidate. Here candidates come one right after another, as in a search, so
that what a judge starts ahead for the next one counts only as far as it is not ready in time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from statistics import median

from evals.gpu_bench.running import Chosen, Task, Turn, settings_of
from evals.gpu_programs import CUDA_RELU, INLINE_RELU, TRITON_GELU, TRITON_SOFTMAX
from tools.candidate import Candidate
from tools.problem import JudgeSettings, Problem
from tools.verdict import Verdict

PART = "judging"
TIMES = 3
"""Candidates after the first, each under another text."""
SETTINGS = JudgeSettings(memory_bytes=16 << 30, close_call_s=0)
"""A search's own, max-autotune among the baselines: it is measured once a problem, not once a candidate."""
ELEMENTWISE = """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        return {body}

def get_inputs():
    return [torch.rand{shape}]

def get_init_inputs():
    return []
"""
PLAIN = """
import torch

class ModelNew(torch.nn.Module):
    def forward(self, x):
        return {body}
"""
GELU = "0.5 * x * (1.0 + torch.tanh(0.7978845608028654 * (x + 0.044715 * torch.pow(x, 3.0))))"


@dataclass(frozen=True)
class Case:
    """One problem of KernelBench's and a candidate for it."""

    name: str
    body: str
    shape: tuple[int, int]
    language: str
    source: str
    theirs_s: str
    instead_of: str = ""
    """The case that this one stands in for, should that be too large for the device."""

    @property
    def problem(self) -> Problem:
        """At that size."""
        return Problem(self.name.replace("-", "_"), ELEMENTWISE.format(body=self.body, shape=self.shape))

    @property
    def halved(self) -> Case:
        """With half the rows."""
        rows, columns = self.shape
        return replace(self, name=f"{self.name}-half", shape=(rows // 2, columns), instead_of=self.name)

    @property
    def rehearsed(self) -> Case:
        """Small, and in plain torch."""
        shape = (8, min(self.shape[1], 4096))
        return replace(self, shape=shape, language="python", source=PLAIN.format(body=self.body))


_SOFTMAX = Case("23-softmax-triton", "torch.softmax(x, dim=1)", (4096, 393216), "triton", TRITON_SOFTMAX, "76 to 90")
_INLINE = Case("19-relu-load-inline", "torch.relu(x)", (4096, 393216), "cuda", INLINE_RELU, "111")
_LAUNCHER = Case("19-relu-launcher", "torch.relu(x)", (4096, 393216), "cuda", CUDA_RELU, "111")
_GELU = Case("88-gelu-triton", GELU, (8192, 8192), "triton", TRITON_GELU, "6 to 8")
CASES = (_SOFTMAX, _INLINE, _GELU, _SOFTMAX.halved, _INLINE.halved, _LAUNCHER, _LAUNCHER.halved)
"""Inputs of 6 GiB may be too large for the judge, which keeps several sets of them and answers in float64; then a half
of the rows says how it would be.
"""


def tasks(chosen: Chosen, *, rehearse: bool = False) -> list[Task]:
    """One a case; halves are measured only where the whole was not."""
    cases = [case.rehearsed if rehearse else case for case in CASES if not (chosen.has(PART, case.instead_of))]
    measured: set[str] = set()
    settings = SETTINGS.model_copy(update={"blocks": 4, "memory_bytes": 2 << 30}) if rehearse else SETTINGS
    return [
        Task(PART, case.name, case.problem, settings, partial(_measure, case, settings, measured))
        for case in cases
        if chosen.wants(PART, case.name)
    ]


def _measure(case: Case, settings: JudgeSettings, measured: set[str], turn: Turn) -> None:
    if case.instead_of in measured:
        return
    seconds: list[float] = []
    verdicts: list[Verdict] = []
    begun = time.monotonic()
    turn.judge.describe()
    described_s = time.monotonic() - begun
    turn.judge.baselines()
    baselines_s = time.monotonic() - begun - described_s
    for number in range(TIMES + 1):
        if number == TIMES:
            turn.ahead()
        begun = time.monotonic()
        verdicts.append(turn.judge.judge(Candidate(source=f"{case.source}\n# {number}\n", language=case.language)))
        seconds.append(time.monotonic() - begun)
    last, later = verdicts[-1], verdicts[1:]
    row = {
        "name": case.name,
        "shape": list(case.shape),
        "language": case.language,
        "theirs_s": case.theirs_s,
        "describe_s": round(described_s, 2),
        "baselines_s": round(baselines_s, 2),
        "first_s": round(seconds[0], 2),
        "next_s": [round(item, 2) for item in seconds[1:]],
        "median_s": round(median(seconds[1:]), 2),
        "speedups": [item.speedup for item in verdicts],
        "held_each_s": round(median(item.held_s for item in later), 2),
        "held_s": sum(item.held_s for item in verdicts),
        "stages": {
            name: round(median(item.stage_seconds.get(name, 0.0) for item in later), 2) for name in last.stage_seconds
        },
        "settings": settings_of(settings),
        "verdict": last.to_json(),
    }
    if last.status == "infrastructure_error":
        row["error"] = f"could not be judged: {last.detail}"
    else:
        measured.add(case.name)
    turn.tell(row)
