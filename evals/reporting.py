"""The report of an evaluation: one JSON object and one Markdown page, with all that a number needs beside it."""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict

from evals.results import ResultsFolder, SuiteResult
from evals.scoring import Score, score
from tools.verdict import Verdict

REPORT_SCHEMA: Final = "kernelwright.suite_report/1"


class SuiteReport(BaseModel):
    """What an evaluation found, and under which circumstances."""

    model_config = ConfigDict(frozen=True)

    schema_: Literal["kernelwright.suite_report/1"] = REPORT_SCHEMA
    status: Literal["complete", "interrupted"]
    suite: str
    suite_id: str
    """Hash of the problems: only equal ids compare."""
    description: str
    target: str
    language: str
    model: str
    precision: str
    seed: int
    version: str
    date: str
    """UTC, ISO 8601."""
    command: str
    planned: int
    """Problems in the suite; ``results`` has fewer while it runs."""
    results: tuple[SuiteResult, ...]

    @property
    def score(self) -> Score | None:
        """None before the first result."""
        return score([result.to_entry() for result in self.results], self.seed) if self.results else None

    @property
    def exit_code(self) -> int:
        """0 every problem ran and no two judgements disagree; 1 some disagree; 3 some failed; 130 interrupted."""
        if self.status == "interrupted":
            return 130
        if any(not result.is_complete for result in self.results):
            return 3
        return 1 if any(result.agrees is False for result in self.results) else 0

    @property
    def machine(self) -> dict[str, Any]:
        """Processor, cores and torch, as the judges saw them; from outside where no judge told."""
        hosts = [result.host for result in self.results if result.host is not None]
        evidence = sorted({result.first.evidence for result in self.results if result.first is not None})
        isolation = sorted({result.first.isolation for result in self.results if result.first is not None})
        return {
            "cpu": hosts[0].cpu if hosts else _processor(),
            "cores": hosts[0].threads if hosts else len(os.sched_getaffinity(0)),
            "torch": hosts[0].torch_version if hosts else None,
            "system": f"{platform.system()} {platform.release()}",
            "isolation": isolation,
            "evidence": evidence,
        }

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: circumstances, score, and every result with both verdicts."""
        data = self.model_dump(mode="json", exclude={"results"})
        found = self.score
        return {
            "schema": data.pop("schema_"),
            **data,
            "machine": self.machine,
            "score": None if found is None else asdict(found),
            "results": [result.to_json() for result in self.results],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Inverse of ``to_json``; score and machine are computed anew. Raises ValidationError."""
        rest = {name: value for name, value in data.items() if name not in ("machine", "score")}
        rest["results"] = tuple(SuiteResult.from_json(item) for item in data["results"])
        return cls.model_validate({"schema_": rest.pop("schema", None), **rest})

    def to_markdown(self) -> str:
        """A page that can be published as it is."""
        lines = [f"# Suite {self.suite}", "", self.description, "", *self._circumstances()]
        found = self.score
        if found is not None:
            lines += ["", *_score_lines(found), "", *self._table()]
        failed = [result for result in self.results if not result.is_complete]
        if failed:
            lines += ["", "## Not finished", ""]
            lines += [f"- {result.name}: {result.message or 'not judged twice'}" for result in failed]
        return "\n".join(lines) + "\n"

    def _circumstances(self) -> list[str]:
        machine = self.machine
        facts = {
            "Date": self.date,
            "Machine": f"{machine['cpu']}, {machine['cores']} threads, {machine['system']}",
            "torch": machine["torch"] or "not asked",
            "Evidence": ", ".join(machine["evidence"]) or "none",
            "Isolation": ", ".join(machine["isolation"]) or "none",
            "Target": f"{self.target}, {self.language}, precision {self.precision}",
            "Model": f"{self.model}, seed {self.seed}",
            "Version": f"kernelwright {self.version}, suite {self.suite_id}",
            "Command": f"`{self.command}`",
            "Status": f"{self.status}: {len(self.results)} of {self.planned} problems",
        }
        return ["| | |", "|---|---|", *(f"| {name} | {_cell(value)} |" for name, value in facts.items())]

    def _table(self) -> list[str]:
        head = "| problem | family | best baseline | time | champion | speed-up (95 %) | judged again (95 %) | agree |"
        return [head, "|---|---|---|---|---|---|---|---|", *(_row(result) for result in self.results)]


def write_report(report: SuiteReport, folder: ResultsFolder) -> None:
    """Write ``report.json`` and ``report.md``. Raises ResultsError."""
    folder.write("report.json", json.dumps(report.to_json(), indent=1) + "\n")
    folder.write("report.md", report.to_markdown())


def _score_lines(found: Score) -> list[str]:
    low, high = found.geometric_mean_ci95
    lines = [
        f"**Geometric mean {found.geometric_mean:.2f}x** over the faster of eager and torch.compile "
        f"(95 % over problems: {low:.2f} to {high:.2f}; by the second judgements "
        f"{found.second_geometric_mean:.2f}x), counting 1.0 where nothing faster was found.",
        "",
        f"- accepted {found.accepted} of {found.problems}, faster {found.improved}",
        "- more than p times as fast: " + ", ".join(f"{p} {share:.0%}" for p, share in found.fast_p.items()),
        f"- two judgements agree on {found.agreeing} of {found.judged_twice} champions"
        + (f"; not on {', '.join(found.disagreeing)}" if found.disagreeing else ""),
    ]
    if found.worst is not None:
        lines.append(f"- slowest champion: {found.worst_problem}, {found.worst:.2f}x")
    return lines


def _row(result: SuiteResult) -> str:
    cells = [result.name, result.family]
    best = result.first
    if best is None or not best.baselines or best.speedup is None:
        text = "no improvement" if result.outcome is not None else "failed"
        return "| " + " | ".join([*cells, "", "", "", text, "", ""]) + " |"
    name, seconds = min(best.baselines.items(), key=lambda item: item[1])
    cells += [name, _milliseconds(seconds), _milliseconds(seconds / best.speedup), _speedup(best)]
    cells += [_speedup(result.second), {True: "yes", False: "**no**", None: ""}[result.agrees]]
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _speedup(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    if verdict.speedup is None or verdict.speedup_ci95 is None:
        return verdict.reason or ""
    low, high = verdict.speedup_ci95
    return f"{verdict.speedup:.2f} ({low:.2f} to {high:.2f})"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _processor() -> str:
    """Model name of the processor where the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no such file outside Linux
        return platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()
