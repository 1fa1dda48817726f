"""What one judged candidate taught: primitives only, so that this room knows nothing of the others."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

EXPERIENCE_VERSION = 1


class Experience(BaseModel):
    """An immutable record with its provenance. ``id`` makes storing idempotent."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Hash of (run, candidate): storing the same experience twice changes nothing."""
    version: int = EXPERIENCE_VERSION
    created_at: str
    """UTC, ISO 8601."""
    run_id: str
    problem: str
    operator_signature: str
    """Equal for the same operator at other shapes."""
    shape_signature: str
    """Equal only for the same operator at the same shapes and dtypes."""
    operators: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...] = ()
    """Shapes of the inputs, all cases in order; ranks the same operator's other shapes by closeness."""
    target: str
    hardware: str
    language: str
    precision: str
    evidence: str
    model: str
    status: str
    """Of the verdict: accepted or rejected; a rejection is worth remembering too."""
    reason: str | None = None
    speedup: float | None = None
    speedup_ci95: tuple[float, float] | None = None
    confirmed: bool = False
    source: str
    """The candidate's text."""
    strategy: str = ""
    """One line: what it does differently."""
    lesson: str = ""
    """One or two lines: what its judgement taught."""
    extra: dict[str, Any] = {}
