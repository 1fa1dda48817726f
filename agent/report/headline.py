"""The verdict of a run in one sentence: how much faster, how surely, by what evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.report.amounts import interval, ratio, seconds


def to_headline(
    status: str, message: str, verdict: dict[str, Any] | None, confirmed: bool, baselines: Mapping[str, float]
) -> str:
    """``verdict`` is the champion's; None where there is none."""
    if verdict is None:
        words = {"no_improvement": "No improvement", "failed": "Failed", "interrupted": "Interrupted"}
        begin = words.get(status, "Not finished")
        return f"{begin}: {message or 'nothing was accepted so far'}"
    against: Mapping[str, float] = verdict.get("baselines") or baselines
    name = min(against, key=lambda one: against[one], default=None)
    over = "" if name is None else f" ({name}, {seconds(against[name])} a call)"
    speed = f"{ratio(verdict['speedup'])}, 95 % interval {interval(verdict.get('speedup_ci95'))}"
    surely = "confirmed in fresh processes" if confirmed else "not confirmed yet"
    begin = "" if status == "improved" else f"{status.replace('_', ' ').capitalize()}; the best so far: "
    return (
        f"{begin}{speed}, over the best baseline{over}: {verdict.get('evidence', 'unknown')} "
        f"on {verdict.get('target', 'unknown')}, {surely}."
    )
