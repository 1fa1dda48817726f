"""The plans there are, told from their own logs alone: those of their runs may be large."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from agent.errors import RunError
from agent.events import read_events
from agent.plans.events import PlanState
from agent.plans.folder import PlanFolder, list_plans
from agent.plans.outcome import plan_status


def describe_plans(home: Path) -> list[dict[str, Any]]:
    """Plans, newest first: plan_id, name, started_at (UTC), status, operators, done, ended, deadline, path.

    ``status`` is as of ``PlanOutcome``, or ``damaged``; ``operators`` is how many there are, ``done`` how many of them
    have ended or were skipped, ``ended`` how many by what. Of a damaged plan all but ``plan_id``, ``status`` and
    ``path`` is None.
    """
    found = [_describe(folder) for folder in list_plans(home)]
    return sorted(found, key=lambda info: (info["started_at"] or "", info["plan_id"]), reverse=True)


def _describe(folder: PlanFolder) -> dict[str, Any]:
    place = {"plan_id": folder.path.name, "path": str(folder.path)}
    try:
        plan = folder.plan()
        state = PlanState.of(read_events(folder.events) if folder.events.is_file() else ())
    except RunError:
        nothing = dict.fromkeys(("name", "started_at", "operators", "done", "ended", "deadline"))
        return {**place, **nothing, "status": "damaged"}
    done = [known for entry in plan.entries if (known := state.entry(entry.name)).is_done]
    ended = Counter(str((known.ended or {}).get("status", "skipped")) for known in done)
    return {
        **place,
        "name": plan.name,
        "started_at": state.began or plan.started_at,
        "status": plan_status(folder, state),
        "operators": len(plan.entries),
        "done": len(done),
        "ended": dict(sorted(ended.items())),
        "deadline": None if plan.deadline is None else plan.deadline.isoformat(),
    }
