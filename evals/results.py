"""What became of one problem of a suite, and the file that keeps it, so that an evaluation can go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.folder import package_version, write_atomically
from agent.settings import AgentSettings
from evals.arms import AGENT
from evals.errors import ResultsError
from evals.intervals import intervals_agree
from evals.scoring import GOAL, Entry
from evals.suite import SuiteProblem
from tools.verdict import Verdict

RESULT_SCHEMA: Final = "kernelwright.suite_result/2"
_FORMER: Final = "kernelwright.suite_result/1"
"""Before there were arms and repeats: all was the agent's, once."""
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
    device: str = ""
    """The accelerator that was measured on; empty for the processor itself."""


class Step(BaseModel):
    """A candidate that was the fastest so far, as the search saw it."""

    model_config = ConfigDict(frozen=True)

    place: int
    """In the order of judging, from 1."""
    speedup: float
    elapsed_s: float
    tokens: int
    """Spent by then."""


class SuiteResult(BaseModel):
    """One run on one problem, and the second judgement of its champion."""

    model_config = ConfigDict(frozen=True)

    schema_: Literal["kernelwright.suite_result/2"] = RESULT_SCHEMA
    arm: str = AGENT
    """Who was at work: ``evals.arms``."""
    repeat: int = 1
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
    steps: tuple[Step, ...] = ()

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
        outcome = self.outcome or {}
        entry = Entry(
            name=self.name,
            accepted=int(outcome.get("accepted", 0)) > 0,
            speedup=None if self.first is None else self.first.speedup,
            improved=self.status == "improved",
            second_speedup=None if self.second is None else self.second.speedup,
            agrees=self.agrees,
            best_seen=self.steps[-1].speedup if self.steps else None,
            tokens=int(outcome.get("tokens", 0)),
            cost_usd=outcome.get("cost_usd", 0.0),
            seconds=float(outcome.get("elapsed_s", 0.0)),
        )
        # One that was lucky when it was first judged has not reached anything; one that was unlucky has.
        reached = next((step.place for step in self.steps if step.speedup >= GOAL), outcome.get("candidates_to_best"))
        return replace(entry, steps=reached if entry.credit >= GOAL else None)

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
        if rest.get("schema") == _FORMER:
            rest["schema"] = RESULT_SCHEMA
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
class Turn:
    """One run of the evaluation: who works on what, for which time."""

    arm: str
    repeat: int
    """From 1."""
    item: SuiteProblem

    @property
    def series(self) -> str:
        """Of all runs that share an arm and a repeat, and with them a memory: ``agent-1``."""
        return f"{self.arm}-{self.repeat}"


@dataclass(frozen=True)
class ResultsFolder:
    """``results/SERIES/NAME.json`` for every run, its run folder in ``runs/``, and a home for each series."""

    root: Path

    def prepare(self, series: Iterable[str]) -> None:
        """Make it. Raises ResultsError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            for one in series:
                for folder in (self.root / "results" / one, self.root / "runs" / one, self.home(one)):
                    folder.mkdir(parents=True, exist_ok=True)
                # What was compiled of the references, and what the machine reaches, is nobody's experience.
                (self.root / "cache").mkdir(exist_ok=True)
                if not (self.home(one) / "cache").exists():
                    (self.home(one) / "cache").symlink_to(Path("..", "..", "cache"), target_is_directory=True)
        except OSError as error:
            raise _unusable(self.root, error) from error

    def home(self, series: str) -> Path:
        """The agent's home: memory begins empty in each series."""
        return self.root / "homes" / series

    def run_folder(self, turn: Turn, key: str) -> Path:
        """Where a run lives; another key is another run."""
        return self.root / "runs" / turn.series / f"{turn.item.name}-{key[:8]}"

    def load(self, turn: Turn, key: str) -> SuiteResult | None:
        """The stored result if there is one with this key; a damaged or older file counts as none."""
        try:
            path = self.root / "results" / turn.series / f"{turn.item.name}.json"
            data = json.loads(path.read_text(encoding="utf-8"))
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
        self.write(
            f"results/{result.arm}-{result.repeat}/{result.name}.json", json.dumps(result.to_json(), indent=1) + "\n"
        )

    def write(self, name: str, text: str) -> None:
        """Write any file of the folder whole. Raises ResultsError."""
        try:
            write_atomically(self.root / name, text)
        except OSError as error:
            raise _unusable(self.root, error) from error


def _unusable(root: Path, error: OSError) -> ResultsError:
    text = (error.strerror or str(error)).lower()
    return ResultsError(f"cannot use the results folder {root}: {text}: choose another with --out")
