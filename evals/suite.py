"""A suite: a named list of problem files. ``evals/suites/*.json`` ship with the package.

The file's form::

    {"schema": "kernelwright.suite/1", "name": "cpu", "description": "...", "target": "cpu",
     "problems": [{"path": "../problems/cpu/softmax_wide.py", "family": "softmax"}]}

Paths are relative to the suite file. ``"settings": {"max_candidates": 2}`` are those of the agent that must not vary;
only the command line is above them. ``"least": 1.3`` at a problem is a bar for machines of any kind: the speed-up that
must be found there, 0 for any right candidate. A suite with bars is a gate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agent.settings import AgentSettings
from evals.errors import SuiteError
from tools.errors import RequestError
from tools.problem import Problem, load_problem

SUITE_SCHEMA = "kernelwright.suite/1"
_SHIPPED = Path(__file__).parent / "suites"


@dataclass(frozen=True)
class SuiteProblem:
    """One problem of a suite; its name is unique in it."""

    problem: Problem
    family: str
    refusal: str = ""
    """Why the file cannot be a problem, one line; it is then a result that says so."""
    sha256: str = ""
    """Of the file, where that is not the hash of the problem's text; ``file_hash`` is what to ask."""

    least: float | None = None
    """The speed-up that must be found on any machine, 0 for any right candidate; None where there is no bar."""

    @property
    def name(self) -> str:
        """The problem file's name without its ending."""
        return self.problem.name

    @property
    def file_hash(self) -> str:
        """SHA-256 of the file as it lies there."""
        return self.sha256 or hashlib.sha256(self.problem.source.encode()).hexdigest()


@dataclass(frozen=True)
class Suite:
    """A suite, its problem files read."""

    name: str
    description: str
    target: str
    problems: tuple[SuiteProblem, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the agent, those that must not vary."""

    @property
    def least(self) -> dict[str, float]:
        """The bars: the speed-up that must be found, by problem; 0 for any right candidate."""
        return {item.name: item.least for item in self.problems if item.least is not None}

    @property
    def id(self) -> str:
        """Hash of the names and texts of its problems: equal scores are comparable only for equal ids."""
        facts = [f"{item.name} {item.file_hash[:16]}" for item in self.problems]
        return hashlib.sha256("\n".join([self.target, *facts]).encode()).hexdigest()[:16]

    def on(self, target: str) -> Suite:
        """The same problems on another target. Raises SuiteError for a gate, whose bars are those of its own."""
        if target != self.target and self.least:
            raise SuiteError(f"the bars of {self.name} are for {self.target}, not for {target}: leave --target out")
        return replace(self, target=target)

    def only(self, patterns: str) -> Suite:
        """The problems whose name or family one of the patterns, parted by commas, matches. Raises SuiteError."""
        wanted = [pattern.strip() for pattern in patterns.split(",")]
        chosen = [item for item in self.problems if any(_matches(item, pattern) for pattern in wanted)]
        if not chosen:
            raise SuiteError(
                f"no problem of {self.name} is called {patterns}: give a name, or a pattern such as '*ReLU*'"
            )
        return replace(self, problems=tuple(chosen))


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1)
    family: str = ""
    least: float | None = Field(default=None, ge=0)


class _SuiteFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal["kernelwright.suite/1"] = Field(alias="schema")
    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    description: str = ""
    target: str = "cpu"
    settings: dict[str, str | int | float | bool] = {}
    problems: tuple[_Entry, ...] = Field(min_length=1)

    @field_validator("settings", mode="after")
    @classmethod
    def _known(cls, value: dict[str, Any]) -> dict[str, Any]:
        strange = sorted(
            value.keys() - AgentSettings.model_fields.keys() | value.keys() & {"api_key", "out", "home", "target"}
        )
        if strange:
            raise ValueError(f"{strange[0]} is no setting of a suite")
        return value


def _matches(item: SuiteProblem, pattern: str) -> bool:
    return fnmatchcase(item.name, pattern) or fnmatchcase(item.family, pattern)


def known_suites() -> list[str]:
    """Names of the suites that ship with the package."""
    return sorted(path.stem for path in _SHIPPED.glob("*.json"))


def load_suite(name_or_path: str | Path) -> Suite:
    """Read a suite by name, or by the path of its file. Raises SuiteError, one line."""
    path = _find(name_or_path)
    parsed = _parse(path)
    problems = []
    for entry in parsed.problems:
        try:
            problem = load_problem((path.parent / entry.path).resolve())
        except RequestError as error:
            raise SuiteError(f"suite {path.name}: {error}") from error
        problems.append(SuiteProblem(problem, entry.family, least=entry.least))
    names = [item.name for item in problems]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SuiteError(f"suite {path.name}: two problems are called {twice[0]}: rename one of the files")
    return Suite(parsed.name, parsed.description, parsed.target, tuple(problems), parsed.settings)


def _find(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if text in known_suites():
        return _SHIPPED / f"{text}.json"
    path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(known_suites())
        raise SuiteError(f"no suite {text}: give one of {known}, or the path of a suite file")
    return path


def _parse(path: Path) -> _SuiteFile:
    try:
        return _SuiteFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SuiteError(f"cannot read suite {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise SuiteError(f"suite {path.name}: {where}: {first['msg']}") from error
