"""How a plan stands: a row an operator, and all of it together. What a report shows, and ``--json`` prints."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.events import utc_now
from agent.plans.events import PlanState
from agent.plans.folder import PlanFolder
from agent.plans.plan import Plan
from agent.report.facts import Report
from agent.report.gathering import read_report

PLAN_OUTCOME_SCHEMA = "kernelwright.plan_outcome/1"


@dataclass(frozen=True)
class EntryRow:
    """One operator."""

    name: str
    problem: str
    target: str
    language: str
    model: str
    priority: int
    status: str
    """A run's (``improved``, ``no_improvement``, ``failed``, ``interrupted``, ``unfinished``), or ``refused``,
    ``skipped``, ``waiting``: its turn has not come."""
    speedup: float | None
    speedup_ci95: tuple[float, float] | None
    candidates: int
    accepted: int
    elapsed_s: float
    tokens: int
    cost_usd: float | None
    """None when some of it is unknown."""
    stop_reason: str | None
    message: str
    """Why it failed, or what came of it."""
    limits: dict[str, float | None]
    """What it was allowed: seconds, tokens, dollars, candidates."""
    run_id: str | None
    run: str | None
    """Its folder, relative to the plan's; None where no run of it began."""


@dataclass(frozen=True)
class PlanOutcome:
    """All of it."""

    plan_id: str
    name: str
    status: str
    """``complete``, ``running`` or ``interrupted``."""
    message: str
    began: str
    """UTC."""
    ended: str
    """Of what is told: the last event, in UTC."""
    deadline: str | None
    budget: dict[str, float | None]
    candidates: int
    elapsed_s: float
    """Active seconds of all runs."""
    tokens: int
    cost_usd: float | None
    entries: tuple[EntryRow, ...]
    plan_dir: str

    @property
    def exit_code(self) -> int:
        """0 something improved, 1 nothing did, 2 or 3 an operator was refused or failed, 130 not at its end."""
        if self.status != "complete":
            return 130
        found = {row.status for row in self.entries}
        if "failed" in found:
            return 3
        if "refused" in found:
            return 2
        return 0 if "improved" in found else 1

    def to_json(self) -> dict[str, Any]:
        """Plain JSON with its schema."""
        return {"schema": PLAN_OUTCOME_SCHEMA, **asdict(self)}


def read_outcome(folder: PlanFolder) -> PlanOutcome:
    """Of a plan on disk, which may be going on. Raises RunError for a damaged one."""
    from agent.events import read_events

    events = read_events(folder.events) if folder.events.is_file() else []
    return to_outcome(folder, folder.plan(), PlanState.of(events))


def to_outcome(folder: PlanFolder, plan: Plan, state: PlanState) -> PlanOutcome:
    """What the logs say."""
    reports = {entry.name: run_report(folder.run(entry.name)) for entry in plan.entries}
    rows = tuple(_row(plan, state, name, report) for name, report in reports.items())
    costs = [row.cost_usd for row in rows]
    return PlanOutcome(
        plan_id=plan.plan_id,
        name=plan.name,
        status=plan_status(folder, state),
        message=str((state.finished or {}).get("message") or _message(rows)),
        began=state.began or plan.started_at,
        ended=state.last or utc_now(),
        deadline=None if plan.deadline is None else plan.deadline.isoformat(),
        budget=plan.budget.model_dump(),
        candidates=sum(row.candidates for row in rows),
        elapsed_s=round(sum(row.elapsed_s for row in rows), 3),
        tokens=sum(row.tokens for row in rows),
        cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
        entries=rows,
        plan_dir=str(folder.path),
    )


def plan_status(folder: PlanFolder, state: PlanState) -> str:
    """``complete``, ``running`` or ``interrupted``."""
    if state.finished is not None:
        return "complete"
    return "running" if not state.is_interrupted and folder.is_going_on else "interrupted"


def run_report(run: Path) -> Report | None:
    """The facts of an entry's run; None where it has not begun."""
    return read_report(run) if (run / "events.jsonl").is_file() else None


def _message(rows: tuple[EntryRow, ...]) -> str:
    done = sum(row.status not in ("waiting", "unfinished", "interrupted") for row in rows)
    return f"{done} of {len(rows)} operators are done"


def _row(plan: Plan, state: PlanState, name: str, report: Report | None) -> EntryRow:
    entry, known = plan.entry(name), state.entry(name)
    ended = {} if known.is_open else known.ended or {}
    skipped = ended.get("reason")
    status = ended.get("status") or ("skipped" if skipped else "waiting" if report is None else report.status)
    message = ended.get("message") or (f"no run began: {skipped}" if skipped else "")
    verdict = None if report is None or not report.confirmed else report.verdict
    interval = None if verdict is None else verdict.get("speedup_ci95")
    nodes = () if report is None else report.nodes
    return EntryRow(
        name=name,
        problem=entry.problem.name,
        **{key: str(entry.settings[key]) for key in ("target", "language", "model")},
        priority=entry.priority,
        status=str(status),
        speedup=None if verdict is None else verdict["speedup"],
        speedup_ci95=None if interval is None else (interval[0], interval[1]),
        candidates=len(nodes),
        accepted=sum(node.speedup is not None for node in nodes),
        elapsed_s=0.0 if report is None else report.costs.active_s,
        tokens=0 if report is None else report.costs.tokens,
        cost_usd=0.0 if report is None else report.costs.cost_usd,
        stop_reason=None if report is None else report.stop_reason,
        message=str(message or ("" if report is None else report.message)),
        limits={} if known.limits is None else known.limits.model_dump(),
        run_id=None if report is None else report.run_id,
        run=None if report is None else f"runs/{name}",
    )
