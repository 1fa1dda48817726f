"""Reads a plan file (docs/plans.md); what is wrong with one is told with its table, its key and how to mend it."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agent.deadlines import to_deadline, to_seconds
from agent.events import utc_now
from agent.folder import new_run_id, package_version
from agent.plans.plan import Budget, Entry, Plan, Source
from agent.settings import AgentSettings
from agent.starting import to_starts
from tools.errors import RequestError
from tools.problem import load_problem

MAX_ENTRIES = 1000
_OWN = {"out", "home", "deadline", "max_seconds", "max_tokens", "max_cost", "max_candidates", "api_key", "host_keys"}
_INSTEAD = {
    "max_seconds": "budget.seconds",
    "max_tokens": "budget.tokens",
    "max_cost": "budget.dollars",
    "max_candidates": "budget.candidates",
    "deadline": "the key deadline of the operator",
}
_MENDS = {
    "missing": "add it",
    "list_type": "write [[{table}]] with double brackets",
    "dict_type": "write it as a table",
    "model_type": "write it as a table",
}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class BudgetTable(_Table):
    """``[budget]`` and ``[operator.budget]``."""

    seconds: float | None = Field(default=None, gt=0)
    tokens: int | None = Field(default=None, ge=1)
    dollars: float | None = Field(default=None, gt=0)
    candidates: int | None = Field(default=None, ge=1)

    @field_validator("seconds", mode="before")
    @classmethod
    def _duration(cls, value: Any) -> Any:
        seconds = to_seconds(value)
        if seconds is None:
            raise ValueError(f"{value!r} is no duration: write 3600, 90min or 2h")
        return seconds


class OperatorTable(_Table):
    """``[[operator]]``."""

    problem: str
    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)
    start: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    language: str | None = None
    model: tuple[str, ...] = ()
    priority: int = 0
    deadline: Any = None
    budget: BudgetTable = BudgetTable()
    settings: dict[str, Any] = {}

    @field_validator("start", "target", "model", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class PlanTable(_Table):
    """The file."""

    name: str | None = None
    deadline: Any = None
    budget: BudgetTable = BudgetTable()
    settings: dict[str, Any] = {}
    operator: list[OperatorTable] = Field(min_length=1, max_length=MAX_ENTRIES)


def read_plan(path: Path, now: datetime, *, environ: Mapping[str, str] | None = None) -> Plan:
    """The plan in a file, checked as far as nothing has to be run for it; ``now`` has a time zone.

    Raises RequestError, one line that names the file, the table, the key, and how to mend it.
    """
    raw = _read(path)
    table = _parse(raw, path)
    deadline = _deadline(table.deadline, now, f"{path.name}: deadline")
    entries: list[Entry] = []
    for number, operator in enumerate(table.operator, start=1):
        where = f"{path.name}: [[operator]] {number} ({operator.name or Path(operator.problem).stem})"
        entries += _entries(operator, table.settings, path.parent, now, where, environ)
    _check_names(entries, path)
    return Plan(
        plan_id=new_run_id(),
        name=table.name or path.stem,
        file=str(path.absolute()),
        sha256=hashlib.sha256(raw).hexdigest(),
        started_at=utc_now(),
        version=package_version(),
        deadline=deadline,
        budget=Budget(**table.budget.model_dump()),
        entries=tuple(entries),
    )


def sha256_of(path: Path) -> str:
    """Of a plan file's text. Raises RequestError."""
    return hashlib.sha256(_read(path)).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestError(f"cannot read the plan {path}: {error.strerror}") from error


def _parse(raw: bytes, path: Path) -> PlanTable:
    try:
        values = tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{path.name} is not valid TOML: {error}") from error
    if "operator" not in values:
        raise RequestError(f'{path.name}: no operators: add [[operator]] with problem = "FILE.py"')
    try:
        return PlanTable.model_validate(values)
    except ValidationError as error:
        raise RequestError(f"{path.name}: {_explain(error, values)}") from error


def _explain(error: ValidationError, values: dict[str, Any]) -> str:
    first = error.errors(include_url=False)[0]
    place = [item for item in first["loc"] if item != "operator"]
    where = ""
    if place and isinstance(place[0], int):
        number = int(place.pop(0))
        given = values["operator"][number]
        name = given.get("name") or given.get("problem") if isinstance(given, dict) else None
        where = f"[[operator]] {number + 1}{f' ({name})' if name else ''}, "
    key = ".".join(str(item) for item in place) or "operator"
    if first["type"] == "extra_forbidden":
        kind: type[BaseModel] = BudgetTable if "budget" in place[:-1] else OperatorTable if where else PlanTable
        known = ", ".join(kind.model_fields)
        return f"{where}key {key} is unknown: the keys there are {known}; a setting belongs into settings"
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    mend = _MENDS.get(first["type"], "").format(table=key)
    return f"{where}key {key}: {message}{f': {mend}' if mend else ''}"


def _entries(
    operator: OperatorTable,
    shared: dict[str, Any],
    folder: Path,
    now: datetime,
    where: str,
    environ: Mapping[str, str] | None,
) -> list[Entry]:
    """One entry a target."""
    given = {name.replace("-", "_"): value for name, value in {**shared, **operator.settings}.items()}
    for name in sorted(_OWN & given.keys()):
        instead = _INSTEAD.get(name, "the environment or kernelwright.toml")
        raise RequestError(f"{where}, settings.{name} is not for a plan: use {instead}")
    try:
        problem = load_problem(folder / operator.problem)
        starts = to_starts([folder / one for one in operator.start], _read_start)
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from error
    deadline = _deadline(operator.deadline, now, f"{where}, key deadline")
    own = {"language": operator.language, "model": list(operator.model) or None}
    given |= {name: value for name, value in own.items() if value is not None}
    found = []
    for target in operator.target or (None,):
        settings = _settings({**given, **({"target": target} if target else {})}, where, environ)
        name = operator.name or problem.name
        found.append(
            Entry(
                name=f"{name}-{target.replace(':', '-')}" if target and len(operator.target) > 1 else name,
                problem=Source(name=problem.name, text=problem.source),
                starts=tuple(Source(name=one.name, text=one.source) for one in starts),
                priority=operator.priority,
                deadline=deadline,
                budget=Budget(**operator.budget.model_dump()),
                settings=settings.model_dump(mode="json"),
            )
        )
    return found


def _settings(given: dict[str, Any], where: str, environ: Mapping[str, str] | None) -> AgentSettings:
    unknown = sorted(given.keys() - AgentSettings.model_fields.keys())
    if unknown:
        raise RequestError(f"{where}, settings.{unknown[0]} is unknown: docs/settings.md lists those there are")
    try:
        settings = AgentSettings.load(given, environ=environ, given_in="settings")
        settings.check()
    except RequestError as error:
        raise RequestError(f"{where}: {error}") from error
    return settings


def _read_start(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _deadline(value: Any, now: datetime, where: str) -> datetime | None:
    if value is None:
        return None
    try:
        if not isinstance(value, str | int | float | date | time):
            raise ValueError(f"{value!r} is no deadline: write 07:30, 2026-12-01T07:30 or 8h")
        return to_deadline(value, now)
    except ValueError as error:
        raise RequestError(f"{where}: {error}") from error


def _check_names(entries: list[Entry], path: Path) -> None:
    names = [entry.name for entry in entries]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RequestError(f'{path.name}: two operators are called {twice}: give one of them another name = "..."')
