"""How a run ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

RUN_SCHEMA = "kernelwright.run/1"

RunStatus = Literal["improved", "no_improvement", "failed", "interrupted"]

EXIT_CODES: dict[str, int] = {"improved": 0, "no_improvement": 1, "failed": 3, "interrupted": 130}


@dataclass(frozen=True)
class Outcome:
    """What ``optimize`` and ``resume`` answer; ``to_json`` is the public form."""

    run_id: str
    status: RunStatus
    problem: str
    model: str
    target: str
    language: str
    candidates: int
    """Judged."""
    accepted: int
    elapsed_s: float
    """Active seconds over all stretches of the run."""
    tokens: int
    cost_usd: float | None
    """None when some of it is unknown."""
    recalled: int
    """Experiences that memory offered."""
    stored: int
    """Experiences put into memory."""
    best: dict[str, Any] | None
    """The confirmed verdict of the champion as JSON, and ``path`` of its file; None without improvement."""
    run_dir: str
    stop_reason: str | None
    """Which budget or event ended the search (``agent.budget.StopReason``), None when it did not end."""
    message: str
    """One line."""
    candidates_to_best: int | None
    """How many candidates had been judged when the champion was."""
    models: list[dict[str, Any]] | None = None
    """Per model: proposals, accepted, best, tokens, cost_usd, share (``agent.models.roster.summary``)."""

    starts: list[dict[str, Any]] | None = None
    """Per kernel of the user's: candidate, strategy, status (``not_judged`` where it did not come to that), reason,
    detail, speedup, speedup_ci95, over_start (how much faster the champion is than the best of them:
    ``agent.starting.over_start``); None where the run started from none."""

    @property
    def exit_code(self) -> int:
        """0 improved, 1 no improvement, 3 infrastructure, 130 interrupted."""
        return EXIT_CODES[self.status]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with its schema."""
        return {"schema": RUN_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of ``to_json``; fields of later versions are left out, those of later ones than the data absent."""
        return cls(**{field.name: data[field.name] for field in fields(cls) if field.name in data})

    def at(self, folder: Path) -> Self:
        """The same outcome after its run folder was moved to ``folder``."""
        best = None if self.best is None else {**self.best, "path": str(folder / "best.py")}
        return replace(self, run_dir=str(folder), best=best)
