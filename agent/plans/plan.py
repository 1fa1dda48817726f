"""A plan as it is kept: everything that its runs need, so that files which are changed meanwhile change nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

PLAN_SCHEMA = "kernelwright.plan/1"


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Budget(_Kept):
    """Upper bounds; None for none."""

    seconds: float | None = Field(default=None, gt=0)
    """Active ones: waiting for a server, a disk or a person does not count."""
    tokens: int | None = Field(default=None, ge=1)
    dollars: float | None = Field(default=None, gt=0)
    candidates: int | None = Field(default=None, ge=1)


class Source(_Kept):
    """A file as it was when the plan began."""

    name: str
    text: str


class Entry(_Kept):
    """One operator on one target: one run."""

    name: str
    problem: Source
    starts: tuple[Source, ...] = ()
    priority: int = 0
    deadline: datetime | None = None
    budget: Budget = Budget()
    settings: dict[str, Any]
    """``AgentSettings`` as plain JSON, before any share of the plan's budget."""


class Plan(_Kept):
    """What ``plan.json`` holds."""

    plan_id: str
    name: str
    file: str
    """Where it came from."""
    sha256: str
    """Of the plan file's text."""
    started_at: str
    """UTC."""
    version: str
    deadline: datetime | None = None
    budget: Budget = Budget()
    entries: tuple[Entry, ...]

    def entry(self, name: str) -> Entry:
        """The entry of that name. Raises KeyError."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(name)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with its schema."""
        return {"schema": PLAN_SCHEMA, **self.model_dump(mode="json")}
