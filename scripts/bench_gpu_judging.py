"""What judging a candidate costs on a GPU, and where each second goes: at the sizes of KernelBench's level-1 problems
19 (ReLU), 23 (softmax) and 88 (GELU), for which KernelBench's own evaluator took 111 s, 76 to 90 s and 6 to 8 s on an
H200, a fresh process a candidate.

    python scripts/bench_gpu_judging.py [--only NAME] [--scale 1.0] [--out docs/results]

Each candidate is judged ``--times`` times under another text, after one that is not counted; what waits for the next
candidate (processes that have imported torch) has then been started, as in a search. Writes dated Markdown and JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from evals.gpu_programs import CUDA_RELU, INLINE_RELU, TRITON_GELU, TRITON_SOFTMAX
from sandbox.base import Sandbox
from sandbox.devices import Device, find_devices
from sandbox.opening import open_sandbox
from tools.candidate import Candidate
from tools.judging import SandboxedJudge
from tools.problem import JudgeSettings, Problem

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
GELU = "0.5 * x * (1.0 + torch.tanh(0.7978845608028654 * (x + 0.044715 * torch.pow(x, 3.0))))"
ROWS = {
    "88 GELU, Triton": (GELU, (8192, 8192), "triton", TRITON_GELU, "6 to 8"),
    "23 softmax, Triton": ("torch.softmax(x, dim=1)", (4096, 393216), "triton", TRITON_SOFTMAX, "76 to 90"),
    "19 ReLU, CUDA launcher": ("torch.relu(x)", (4096, 393216), "cuda", CUDA_RELU, "111"),
    "19 ReLU, CUDA load_inline": ("torch.relu(x)", (4096, 393216), "cuda", INLINE_RELU, "111"),
}


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--scale", type=float, default=1.0, help="of the first dimension, for trying it out")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    devices = find_devices()
    if not devices:
        sys.stderr.write("bench_gpu_judging: no NVIDIA GPU answers here\n")
        return 3
    rows = []
    with closing(open_sandbox(None)) as sandbox:
        for name, row in ROWS.items():
            if chosen.only in name:
                rows.append(measured(name, row, sandbox, devices[0], chosen.scale, chosen.times))
                sys.stdout.write(json.dumps(rows[-1]) + "\n")
                sys.stdout.flush()
    report = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "device": devices[0].name,
        "driver": devices[0].driver,
        "python": platform.python_version(),
        "scale": chosen.scale,
        "rows": rows,
    }
    if chosen.out is not None:
        stem = chosen.out / f"{datetime.now(UTC):%Y-%m-%d}-gpu-judging"
        stem.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
        stem.with_suffix(".md").write_text(table(report))
    return 0


def measured(
    name: str,
    row: tuple[str, tuple[int, int], str, str, str],
    sandbox: Sandbox,
    device: Device,
    scale: float,
    times: int,
) -> dict[str, Any]:
    """One row: seconds of a judgement by stage, medians over the candidates that are counted."""
    body, shape, language, source, theirs = row
    shape = (max(2, int(shape[0] * scale)), shape[1])
    problem = Problem("bench", ELEMENTWISE.format(body=body, shape=shape))
    settings = JudgeSettings(memory_bytes=16 << 30, stage_timeout_s=120.0, close_call_s=0)
    with tempfile.TemporaryDirectory() as folder:
        target = f"cuda:{device.architecture}"
        with closing(SandboxedJudge(problem, sandbox, settings, Path(folder), target=target, device=device)) as judge:
            began = time.monotonic()
            judge.baselines()
            before_s = time.monotonic() - began
            seconds, stages, verdicts = [], [], []
            for number in range(times + 1):
                began = time.monotonic()
                verdict = judge.judge(Candidate(source=f"{source}\n# {number}\n", language=language))
                seconds.append(time.monotonic() - began)
                stages.append(verdict.stage_seconds)
                verdicts.append(verdict)
                judge._builder.settle()  # whoever comes next finds its processes ready, as in a search
    last = verdicts[-1]
    return {
        "name": name,
        "shape": shape,
        "theirs_s": theirs,
        "before_first_s": round(before_s, 2),
        "first_s": round(seconds[0], 2),
        "next_s": [round(item, 2) for item in seconds[1:]],
        "median_s": round(median(seconds[1:] or seconds), 2),
        "stages": {stage: round(median(item.get(stage, 0.0) for item in stages[1:]), 3) for stage in stages[-1]},
        "status": last.status,
        "reason": last.reason,
        "detail": last.detail,
        "speedup": last.speedup,
        "speedup_ci95": last.speedup_ci95,
        "roofline_fraction": last.roofline_fraction,
        "baselines": last.baselines,
    }


def table(report: dict[str, Any]) -> str:
    """As Markdown."""
    lines = [
        f"# What judging costs on a GPU ({report['date']})",
        "",
        f"{report['device']}, driver {report['driver']}, Python {report['python']}. Seconds; *next* is a candidate",
        "after the first, median. KernelBench's figures are those of its own evaluator, a fresh process a candidate.",
        "",
        "| problem | shape | KernelBench | before the first | first | next | stages | verdict | speed-up |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in row["stages"].items() if seconds >= 0.01)
        speedup = f"{row['speedup']:.2f}" if row["speedup"] else "-"
        lines.append(
            f"| {row['name']} | {row['shape']} | {row['theirs_s']} | {row['before_first_s']} | {row['first_s']} "
            f"| {row['median_s']} | {stages} | {row['status']} {row['reason'] or ''} | {speedup} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
