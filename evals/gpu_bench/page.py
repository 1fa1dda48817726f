"""Merged pieces as one page, in Markdown and in JSON. Pure but for writing it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from evals.errors import ResultsError
from evals.gpu_bench import corpus, costs, languages, rematches, searches, tables
from evals.gpu_bench.bars import bars
from evals.gpu_bench.pieces import Merged, Row

SCHEMA: Final = "kernelwright.gpu_bench/1"
PARTS: Final = (costs.PART, searches.WIDE, rematches.PART, searches.PAPER, languages.PART, corpus.PART)
UNPUBLISHED: Final = ("source", "log")
"""Pieces have them; a page would be many times as long."""
_NAMES: Final = {
    "device": "Device",
    "architecture": "Architecture",
    "device_gib": "Device memory, GiB",
    "driver": "Driver",
    "cuda": "CUDA (of torch)",
    "nvcc": "nvcc",
    "python": "Python (of candidates)",
    "torch": "torch",
    "triton": "Triton",
    "nvidia-cutlass-dsl": "CuTe DSL",
    "processors": "Processors",
    "system": "System",
    "isolation": "Isolation",
    "kernelwright": "kernelwright",
}


def to_markdown(merged: Merged, date: str) -> str:
    """All parts that were run."""
    lines = [f"# On a GPU, {date}", ""]
    if any(machine.get("rehearsal") for machine in merged.machines):
        lines += ["**A rehearsal on plain memory, without a GPU: no number here means anything.**", ""]
    lines += [*_machines(merged), "", *_commands(merged)]
    if merged.of(costs.PART):
        lines += ["", "## What judging a candidate costs", "", *_settings(merged.of(costs.PART)), COSTS, ""]
        lines += tables.judging_table(merged.of(costs.PART))
    if wide := merged.of(searches.WIDE):
        lines += ["", "## The builtin model", "", *_settings(wide), WIDE, "", *tables.bars_table(bars(wide)), ""]
        again = merged.of(rematches.PART)
        if told := rematches.summary(wide, again):
            lines += [told, ""]
        lines += tables.model_table(wide, again, several_machines=len(merged.machines) > 1)
    if paper := merged.of(searches.PAPER):
        lines += ["", "## The kernels of the KernelEvolve paper", "", *_settings(paper), PAPER, ""]
        lines += tables.paper_table(paper)
    if merged.of(languages.PART):
        lines += ["", "## One kernel in each language", "", *_settings(merged.of(languages.PART)), LANGUAGES, ""]
        lines += tables.languages_table(merged.of(languages.PART))
    if attacks := merged.of(corpus.PART):
        lines += ["", "## The adversarial corpus", "", *_corpus(merged, attacks, date)]
    lines += ["", "## Time", "", *_time(merged)]
    return "\n".join(lines) + "\n"


COSTS = (
    "Candidates come one right after another; *next* is the median of those after the first, each under another text, "
    "*where* the medians of its stages. *GPU held* is how long the judge had machine and GPU for that candidate alone: "
    "what is left is compiling and starting processes. KernelBench's figures are those of its own evaluator on "
    "an H200, a fresh process a candidate."
)
WIDE = (
    "Speed-ups are over the fastest baseline that was measured; *confirmed* is a second judgement of the champion in "
    "fresh processes with other seeds that found it faster beyond noise. Where nothing was confirmed, 1.0 counts, and "
    "the speed-up shown is that of the fastest candidate that was accepted. Which of memory and arithmetic bounds a "
    "problem is what its file says."
)
PAPER = (
    "The paper's figures were measured on other chips, over baselines of their own; they stand beside ours for "
    "orientation. A conv1d as a channels-last conv2d is none of our baselines."
)
LANGUAGES = (
    "The complete example of each language's guide, a ReLU of the suite's `relu_fp32`, judged and then confirmed as "
    "`kernelwright evaluate` does it."
)


def _machines(merged: Merged) -> list[str]:
    heads = ["", *(tables.letter(index) if len(merged.machines) > 1 else "" for index in range(len(merged.machines)))]
    rows = [[name, *(str(machine.get(key)) for machine in merged.machines)] for key, name in _NAMES.items()]
    lines = tables.table(heads, rows)
    if merged.differences:
        told = ", ".join(_NAMES.get(name, name) for name in merged.differences)
        lines += [
            "",
            f"Pieces come from machines that differ in: {told}. The JSON says which row is from which.",
        ]
    return lines


def _commands(merged: Merged) -> list[str]:
    lines = [f"- {run.get('began')}: `{run.get('command')}`, seed {run.get('seed')}" for run in merged.runs]
    return [
        "Measured in these pieces (seeds are of the statistics and of the search; what candidates are tested with is "
        "drawn anew from the system's entropy in every judgement):",
        "",
        *lines,
    ]


def _settings(rows: Sequence[Row]) -> list[str]:
    """How they were judged, if any says so; each setting that was used, with its number of rows."""
    used: dict[str, int] = {}
    for row in rows:
        if "settings" in row:
            text = ", ".join(f"{name} {value}" for name, value in row["settings"].items())
            used[text] = used.get(text, 0) + 1
    if not used:
        return []
    if len(used) == 1:
        return [f"Settings: {next(iter(used))}.", ""]
    return [*(f"- {count} rows: {text}" for text, count in used.items()), ""]


def _corpus(merged: Merged, rows: list[Row], date: str) -> list[str]:
    machine = merged.machines[rows[0]["machine"]]
    rehearsal = bool(machine.get("rehearsal"))
    report = corpus.report_of(rows, machine["isolation"], machine["kernelwright"], date, rehearse=rehearsal)
    failed = [f"- {row['name']}: {tables.why(row)}" for row in rows if "error" in row]
    skipped = ["", "*Skipped* are programs of the corpus of which no piece has a verdict."] if report.skipped else []
    text = report.to_markdown().rstrip().split("\n") if report.outcomes else ["Nothing was judged."]
    return [*text, *skipped, *(["", "Without a verdict:", "", *failed] if failed else [])]


def _time(merged: Merged) -> list[str]:
    """By part: how long it took, and for which share the judge had the GPU for a candidate."""
    spent: dict[str, list[Row]] = {}
    for task in merged.tasks:
        spent.setdefault(task["of"], []).append(task)
    rows = []
    for part, tasks in spent.items():
        whole, held = sum(task["seconds"] for task in tasks), sum(task["held_s"] for task in tasks)
        share = f"{held / whole:.0%}" if whole else ""
        rows.append([part, str(len(tasks)), f"{whole / 60:.1f}", f"{whole / len(tasks):.0f}", share])
    heads = ["part", "tasks", "minutes", "s a task", "GPU held for a candidate"]
    note = "Descriptions and baselines use the GPU too, and are not counted as held for a candidate."
    return [*tables.table(heads, rows), "", note]


def to_json(merged: Merged, date: str) -> dict[str, Any]:
    """Plain JSON: machines, pieces, summary, all rows."""
    found = bars(merged.of(searches.WIDE))
    return {
        "schema": SCHEMA,
        "date": date,
        "machines": merged.machines,
        "pieces": merged.runs,
        "bars": [asdict(bar) for bar in found],
        "parts": {part: [_published(row) for row in merged.of(part)] for part in PARTS if merged.of(part)},
        "tasks": merged.tasks,
    }


def _published(row: Row) -> Row:
    kept = {name: value for name, value in row.items() if name not in UNPUBLISHED}
    for name in ("verdict", "first"):
        if isinstance(kept.get(name), dict):
            kept[name] = {key: value for key, value in kept[name].items() if key not in UNPUBLISHED}
    return kept


def write_page(merged: Merged, folder: Path, date: str) -> Path:
    """``DATE-gpu.md`` and ``.json``; what is there already is not touched. The page's path. Raises ResultsError."""
    number = 1
    while (path := folder / f"{date}-gpu{f'-{number}' if number > 1 else ''}.md").exists():
        number += 1
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(to_markdown(merged, date), encoding="utf-8")
        path.with_suffix(".json").write_text(json.dumps(to_json(merged, date), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ResultsError(f"cannot write {path}: {error.strerror}") from error
    return path
