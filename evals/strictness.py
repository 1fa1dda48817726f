"""What strictness costs: a judgement beside the usual lax one, for honest programs of the corpus.

The lax way is what most harnesses do, in one process without a sandbox: import, compare once with eager under
``allclose``, call each contender a hundred times in a row on the same inputs, take the median.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from evals.errors import SuiteError
from evals.integrity.corpus import PROBLEMS, Program
from sandbox.base import Sandbox
from tools.opening import single_judge
from tools.problem import JudgeSettings
from tools.verdict import Verdict

LAX = """
import importlib.util, os, statistics, sys, time
os.environ["KERNELWRIGHT_BUILD_DIR"] = sys.argv[3] + "/build"
os.environ["TORCHINDUCTOR_CACHE_DIR"] = sys.argv[3]
import torch

def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

problem, candidate = load(sys.argv[1], "problem"), load(sys.argv[2], "candidate")
torch.manual_seed(0)
construct = getattr(problem, "get_init_inputs", list)
model = problem.Model(*construct()).eval()
new = candidate.ModelNew(*construct()).eval()
new.load_state_dict(model.state_dict(), strict=False)
inputs = problem.get_inputs()
with torch.no_grad():
    wanted, found = model(*inputs), new(*inputs)
    wanted, found = (value if isinstance(value, (list, tuple)) else [value] for value in (wanted, found))
    if not all(torch.allclose(a, b, atol=1e-2, rtol=1e-2) for a, b in zip(wanted, found)):
        sys.exit("wrong")
    for call in (model, torch.compile(model), new):
        for _ in range(10):
            call(*inputs)
        times = []
        for _ in range(100):
            begin = time.perf_counter()
            call(*inputs)
            times.append(time.perf_counter() - begin)
        statistics.median(times)
"""


@dataclass(frozen=True)
class Cost:
    """Seconds for one program, both ways."""

    program: str
    lax_s: float
    problem_s: float
    """Once a problem: oracle, baselines, admission."""
    judge: Verdict
    judge_s: float
    confirm: Verdict
    confirm_s: float


def lax_seconds(program: Program, work: Path) -> float:
    """The lax way, in a process of its own. Raises SuiteError if it fails."""
    path = work / f"{program.name}.py"
    path.write_text(program.source, encoding="utf-8")
    (work / "build").mkdir(exist_ok=True)
    begin = time.monotonic()
    argv = [sys.executable, "-c", LAX, str(PROBLEMS / f"{program.problem}.py"), str(path), str(work)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SuiteError(f"{program.name} fails in the lax harness: {done.stderr.strip()[-300:]}")
    return time.monotonic() - begin


def measure_costs(
    programs: Iterable[Program],
    sandbox: Sandbox,
    home: Path,
    settings: JudgeSettings,
    notice: Callable[[Cost], None] = lambda cost: None,
) -> list[Cost]:
    """Each program by a judge of its own; compiled baselines come from a cache, as the second time anywhere."""
    costs = []
    for program in programs:
        with tempfile.TemporaryDirectory() as work:
            lax_seconds(program, Path(work))  # the first one compiles
            lax = lax_seconds(program, Path(work))
        with single_judge(program.load_problem(), sandbox, settings, home) as judge:
            seconds = [time.monotonic()]
            judge.baselines()
            seconds.append(time.monotonic())
            judged = judge.judge(program.candidate)
            seconds.append(time.monotonic())
            confirmed = judge.confirm(program.candidate)
            seconds.append(time.monotonic())
        problem_s, judge_s, confirm_s = (after - before for before, after in itertools.pairwise(seconds))
        costs.append(Cost(program.name, lax, problem_s, judged, judge_s, confirmed, confirm_s))
        notice(costs[-1])
    return costs


def as_lines(costs: Iterable[Cost]) -> str:
    """A table for people."""
    heads = ["program", "lax s", "problem once s", "judgement s", "times lax", "its stages", "confirmation s"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for cost in costs:
        stages = ", ".join(f"{name} {value:.1f}" for name, value in cost.judge.stage_seconds.items() if value >= 0.05)
        cells = [cost.program, f"{cost.lax_s:.1f}", f"{cost.problem_s:.1f}", f"{cost.judge_s:.1f}"]
        cells += [f"{cost.judge_s / cost.lax_s:.2f}", stages or cost.judge.detail, f"{cost.confirm_s:.1f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
