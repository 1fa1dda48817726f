"""The report of an evaluation: everything that a number needs beside it, as one JSON object."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from evals.arms import AGENT
from evals.results import SuiteResult
from evals.scoring import Score, score
from tools.errors import RequestError

REPORT_SCHEMA: Final = "kernelwright.suite_report/2"
_FORMER: Final = "kernelwright.suite_report/1"
"""Before there were arms and repeats."""
REPORT_FILE: Final = "report.json"


class SuiteReport(BaseModel):
    """What an evaluation found, and under which circumstances."""

    model_config = ConfigDict(frozen=True)

    schema_: Literal["kernelwright.suite_report/2"] = REPORT_SCHEMA
    status: Literal["complete", "interrupted"]
    suite: str
    suite_id: str
    """Hash of the problems: only equal ids have comparable scores."""
    description: str
    target: str
    language: str
    model: str
    precision: str
    atol: float | None = None
    rtol: float | None = None
    seed: int
    """Of the first repeat; each further one has the next."""
    arms: tuple[str, ...] = (AGENT,)
    """Who was set side by side: ``evals.arms``."""
    repeats: int = 1
    without: tuple[str, ...] = ()
    """Parts of the agent that were taken away."""
    note: str = ""
    """One line that belongs to every number; often empty."""
    least: dict[str, float] = {}
    """The bars, where the suite has some: the speed-up that the agent must find, by problem; 0 for any right answer."""
    version: str
    date: str
    """UTC, ISO 8601."""
    command: str
    machine: dict[str, Any]
    """``machine_of`` the results, where they were made."""
    planned: int
    """Runs: problems times arms times repeats; ``results`` has fewer while it runs."""
    results: tuple[SuiteResult, ...]

    def of(self, arm: str) -> tuple[SuiteResult, ...]:
        """The results of one arm."""
        return tuple(result for result in self.results if result.arm == arm)

    @property
    def licence(self) -> str:
        """Under which candidates were right; numbers of different ones are never put together."""
        if self.precision == "native":
            return "native"
        bounds = [
            f"{name} {value:g}" for name, value in (("atol", self.atol), ("rtol", self.rtol)) if value is not None
        ]
        return f"{self.precision}, {' and '.join(bounds) or 'bounds by dtype'}"

    @property
    def scores(self) -> dict[str, Score]:
        """By arm, those without a result left out."""
        return {
            arm: score([result.to_entry() for result in mine], self.seed) for arm in self.arms if (mine := self.of(arm))
        }

    @property
    def missed(self) -> tuple[str, ...]:
        """A line for every bar that a run of the agent has not reached."""
        lines = []
        for result in self.of(AGENT):
            bar, entry = self.least.get(result.name), result.to_entry()
            if bar is None or not result.is_complete:
                continue
            if not entry.is_right:
                lines.append(f"{result.name}: no right candidate, repeat {result.repeat}")
            elif bar > entry.credit:
                lines.append(f"{result.name}: {entry.credit:.2f}x, at least {bar:g}x is due, repeat {result.repeat}")
        return tuple(lines)

    @property
    def exit_code(self) -> int:
        """0 all ran and no two judgements disagree; 1 some do; 3 some run failed; 130 interrupted.

        Of a suite with bars, these alone decide between 0 and 1.
        """
        if self.status == "interrupted":
            return 130
        if any(not result.is_complete for result in self.results):
            return 3
        if self.least:
            return int(bool(self.missed))
        return int(any(result.agrees is False for result in self.results))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: circumstances, a score for each arm, and every result with both verdicts.

        What is published has the arms beside each other, too: ``evals.writing.to_json``.
        """
        data = self.model_dump(mode="json", exclude={"results"})
        return {
            "schema": data.pop("schema_"),
            **data,
            "licence": self.licence,
            "missed": list(self.missed),
            "scores": {arm: asdict(found) for arm, found in self.scores.items()},
            "results": [result.to_json() for result in self.results],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Inverse of ``to_json``; what follows from the results is computed anew. Raises ValidationError."""
        rest = {name: value for name, value in data.items() if name not in _DERIVED}
        if rest.get("schema") == _FORMER:
            rest["schema"] = REPORT_SCHEMA
        rest["results"] = tuple(SuiteResult.from_json(item) for item in data["results"])
        return cls.model_validate({"schema_": rest.pop("schema", None), **rest})


_DERIVED: Final = ("licence", "missed", "score", "scores", "beside")


def read_suite_report(path: Path) -> SuiteReport:
    """The report in a file, or in a results folder. Raises RequestError, one line."""
    file = path / REPORT_FILE if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"cannot read {file}: {error.strerror}: give a {REPORT_FILE} that eval wrote") from error
    except ValueError as error:
        raise RequestError(f"{file} is no JSON: give a {REPORT_FILE} that eval wrote") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema not in (REPORT_SCHEMA, _FORMER):
        raise RequestError(f"{file} has schema {schema!r}, and {REPORT_SCHEMA} is what can be read: run eval again")
    try:
        return SuiteReport.from_json(data)
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise RequestError(f"{file} is damaged: run eval again") from error


def machine_of(results: Sequence[SuiteResult]) -> dict[str, Any]:
    """Processor, cores and torch, as the judges saw them; from outside, and no torch, where no judge told."""
    hosts = [result.host for result in results if result.host is not None]
    firsts = [result.first for result in results if result.first is not None]
    return {
        "cpu": hosts[0].cpu if hosts else _processor(),
        "device": hosts[0].device if hosts else "",
        "cores": hosts[0].threads if hosts else len(os.sched_getaffinity(0)),
        "torch": hosts[0].torch_version if hosts else None,
        "system": f"{platform.system()} {platform.release()}",
        "isolation": sorted({first.isolation for first in firsts}),
        "evidence": sorted({first.evidence for first in firsts}),
    }


def _processor() -> str:
    """Model name of the processor where the system tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no such file outside Linux
        return platform.machine()
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()
