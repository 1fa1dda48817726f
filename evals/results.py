"""What became of one problem of a suite, and the file that keeps it, so that an evaluation can go on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.folder import package_version, write_atomically
from agent.settings import AgentSettings
from evals.errors import ResultsError
from evals.scoring import Entry, intervals_agree
from evals.suite import SuiteProblem
from tools.verdict import Verdict

RESULT_SCHEMA: Final = "kernelwright.suite_result/1"
# Where things are kept and how a server is reached decide nothing about what is found.
_INDIFFERENT = {
    *("out", "home", "base_url", "streaming", "request_timeout_s"),
    *("price_in", "price_out", "price_cached", "prices"),
    *("requests_per_minute", "tokens_per_minute", "max_outage_seconds", "deadline"),
}


class Host(BaseModel):
    """The machine as a judge saw it from inside its sandbox."""

    model_config = ConfigDict(frozen=True)

    cpu: str
    threads: int
    torch_version: str


class SuiteResult(BaseModel):
    """One problem's outcome and the second judgement of its champion."""

    model_config = ConfigDict(frozen=True)

    schema_: Literal["kernelwright.suite_result/1"] = RESULT_SCHEMA
    key: str
    """What has to be equal for this result to be taken over; ``result_key``."""
    name: str
    family: str
    sha256: str = ""
    """Of the problem's file."""
    outcome: dict[str, Any] | None = None
    """Of ``optimize``, as JSON; None if it raised."""
    error: str | None = None
    """One line: why there is no outcome."""
    first: Verdict | None = None
    """The champion's confirmation at the end of its run."""
    second: Verdict | None = None
    """Another judgement of it: fresh processes, fresh seeds, after the run."""
    host: Host | None = None

    @property
    def status(self) -> str:
        """improved, no_improvement or failed."""
        return "failed" if self.outcome is None else str(self.outcome["status"])

    @property
    def agrees(self) -> bool | None:
        """Whether both judgements accept and their 95 % intervals overlap; None without a second one."""
        if self.first is None or self.second is None or self.second.status == "infrastructure_error":
            return None
        if self.second.status != "accepted" or self.first.speedup_ci95 is None:
            return False
        if self.second.speedup_ci95 is None:
            return False
        return intervals_agree(self.first.speedup_ci95, self.second.speedup_ci95)

    @property
    def is_complete(self) -> bool:
        """Nothing is left to do for this problem."""
        return self.outcome is not None and (self.first is None or self.agrees is not None)

    @property
    def message(self) -> str:
        """One line for a person."""
        return self.error or ("" if self.outcome is None else str(self.outcome.get("message", "")))

    def to_entry(self) -> Entry:
        """What scoring needs of it."""
        accepted = self.outcome is not None and int(self.outcome.get("accepted", 0)) > 0
        return Entry(
            name=self.name,
            accepted=accepted,
            speedup=None if self.first is None else self.first.speedup,
            improved=self.status == "improved",
            second_speedup=None if self.second is None else self.second.speedup,
            agrees=self.agrees,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; verdicts in their public form."""
        data = self.model_dump(mode="json", exclude={"first", "second"})
        verdicts = {"first": self.first, "second": self.second}
        public = {name: None if item is None else item.to_json() for name, item in verdicts.items()}
        return {"schema": data.pop("schema_"), **data, **public, "agrees": self.agrees}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Inverse of ``to_json``. Raises ValidationError."""
        rest = {name: value for name, value in data.items() if name != "agrees"}
        for name in ("first", "second"):
            if isinstance(rest.get(name), dict):
                rest[name] = Verdict.from_json(rest[name])
        return cls.model_validate({"schema_": rest.pop("schema", None), **rest})


def result_key(item: SuiteProblem, settings: AgentSettings) -> str:
    """Hash of the problem's text, our version and every setting that may change what is found."""
    relevant = settings.model_dump(mode="json", exclude=_INDIFFERENT)
    facts = json.dumps([item.file_hash[:16], package_version(), relevant], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class ResultsFolder:
    """``results/NAME.json`` for every problem, and a run folder for each in ``runs/``."""

    root: Path

    def prepare(self) -> None:
        """Make it. Raises ResultsError."""
        try:
            for folder in (self.root / "results", self.root / "runs"):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.root, error) from error

    def run_folder(self, name: str, key: str) -> Path:
        """Where the run of a problem lives; another key is another run."""
        return self.root / "runs" / f"{name}-{key[:8]}"

    def load(self, name: str, key: str) -> SuiteResult | None:
        """The stored result if there is one with this key; a damaged or older file counts as none."""
        try:
            data = json.loads((self.root / "results" / f"{name}.json").read_text(encoding="utf-8"))
            result = SuiteResult.from_json(data)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.root, error) from error
        except (ValidationError, ValueError, TypeError, AttributeError):
            return None
        return result if result.key == key else None

    def store(self, result: SuiteResult) -> None:
        """Write it whole. Raises ResultsError."""
        self.write(f"results/{result.name}.json", json.dumps(result.to_json(), indent=1) + "\n")

    def write(self, name: str, text: str) -> None:
        """Write any file of the folder whole. Raises ResultsError."""
        try:
            write_atomically(self.root / name, text)
        except OSError as error:
            raise _unusable(self.root, error) from error


def _unusable(root: Path, error: OSError) -> ResultsError:
    text = (error.strerror or str(error)).lower()
    return ResultsError(f"cannot use the results folder {root}: {text}: choose another with --out")
