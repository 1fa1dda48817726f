"""``kernelwright run PLAN``: many operators, unattended."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelwright import exit_codes
from kernelwright.detaching import detach
from kernelwright.live import watching
from kernelwright.output import note, table, write, write_json
from kernelwright.wording import clock, speedup
from tools.errors import RequestError

if TYPE_CHECKING:
    from agent.plans.folder import PlanFolder
    from agent.plans.outcome import PlanOutcome

DETACHED_SCHEMA = "kernelwright.detached/1"


def run(arguments: dict[str, Any]) -> int:
    """Begin a plan, or go on with the one that was made of the same file."""
    plan = _find(arguments["plan"], anew=arguments.get("new", False))
    as_json = arguments.get("json", False)
    if arguments.get("detach"):
        return show_detached(plan.path, as_json)
    return work(plan, as_json)


def work(plan: PlanFolder, as_json: bool) -> int:
    """Go on with a plan in this process."""
    from agent.plans.running import run_plan
    from kernelwright.plan_view import PlanWatcher

    with watching() as watcher:
        told = PlanWatcher(len(plan.plan().entries))
        outcome = run_plan(plan, told=(told,), subscribers=(watcher,))
    show_plan(outcome, as_json)
    return outcome.exit_code


def _find(name: str, *, anew: bool) -> PlanFolder:
    from agent.plans.folder import create_plan_folder, find_plan, plans_of_file
    from agent.plans.reading import read_plan, sha256_of
    from agent.settings import default_home

    home, path = default_home(), Path(name).expanduser()
    if not path.is_file():
        known = None if anew else find_plan(name, home)
        if known is None:
            raise RequestError(f"no plan {name!r}: give a plan file (docs/plans.md), or the id of one that has begun")
        return known
    if not anew and (before := plans_of_file(path, home)):
        folder, plan = before[-1]
        if plan.sha256 == sha256_of(path):
            return folder
        if not folder.is_complete():
            raise RequestError(
                f"{path.name} was changed since plan {plan.plan_id} of it began, which is not at its end: "
                f"kernelwright run {plan.plan_id} goes on with that, --new begins this one"
            )
    return create_plan_folder(read_plan(path, datetime.now().astimezone()), home)


def show_detached(folder: Path, as_json: bool) -> int:
    """Start it and say how to follow it."""
    started = detach(folder)
    if as_json:
        write_json({"schema": DETACHED_SCHEMA, "id": folder.name, "folder": str(folder), **started})
    else:
        write(f"{folder.name} goes on by itself: kernelwright watch {folder.name}")
        note(f"stop it with kernelwright stop {folder.name}; its lines are in {started['log']}")
    return exit_codes.DONE


def show_plan(outcome: PlanOutcome, as_json: bool) -> None:
    """A row an operator, and where the report is; or the outcome itself."""
    if as_json:
        write_json(outcome.to_json())
        return
    rows = [
        (
            row.name,
            row.target,
            row.status.replace("_", " "),
            speedup(row.speedup, row.speedup_ci95),
            str(row.candidates),
            clock(row.elapsed_s),
            "unknown" if row.cost_usd is None else f"${row.cost_usd:.4f}",
        )
        for row in outcome.entries
    ]
    write("\n" + table(rows, header=("operator", "target", "state", "speed-up", "judged", "time", "cost")))
    note(f"plan {outcome.plan_id} is {outcome.status}: {outcome.message}")
    note(f"report: {outcome.plan_dir}/report.html")
