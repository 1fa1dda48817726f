"""``kernelwright report RUN``: what is told of a run, in the form that is asked for, as far as the run has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernelwright import exit_codes
from kernelwright.api import find_plan_or_run
from kernelwright.output import write, write_json
from tools.errors import RequestError

if TYPE_CHECKING:
    from pathlib import Path

    from agent.plans.folder import PlanFolder

SCHEMA = "kernelwright.report/1"


def run(arguments: dict[str, Any]) -> int:
    """Print the Markdown that a finished run left, or the page, or the facts behind both."""
    (plan, folder), form = find_plan_or_run(arguments["run"]), arguments.get("format")
    if plan is not None:
        return _of_plan(plan, form, as_json=arguments.get("json", False))
    if form == "json":
        from agent.report.gathering import read_report

        write_json(read_report(folder).to_json())
        return exit_codes.DONE
    path = folder / ("report.html" if form == "html" else "report.md")
    text = _page(folder) if form == "html" else _markdown(path, arguments["run"], form)
    if arguments.get("json"):
        write_json({"schema": SCHEMA, "path": str(path), "report": text})
    else:
        write(text.rstrip())
    return exit_codes.DONE


def _of_plan(plan: PlanFolder, form: str | None, *, as_json: bool) -> int:
    """The same of a plan, as far as it has come."""
    from agent.plans.outcome import read_outcome
    from agent.plans.report import to_markdown, to_page

    outcome = read_outcome(plan)
    if form == "json":
        write_json(outcome.to_json())
        return exit_codes.DONE
    text = to_page(outcome, plan) if form == "html" else to_markdown(outcome)
    path = plan.path / ("report.html" if form == "html" else "report.md")
    if as_json:
        write_json({"schema": SCHEMA, "path": str(path), "report": text})
    else:
        write(text.rstrip())
    return exit_codes.DONE


def _page(folder: Path) -> str:
    """Made anew, so that a run that goes on, was interrupted, or is of an earlier version has one too."""
    from agent.report.gathering import read_report
    from agent.report.page import to_page

    return to_page(read_report(folder))


def _markdown(path: Path, run_id: str, form: str | None) -> str:
    if form is not None:
        from agent.reporting import render_report

        return render_report(path.parent)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RequestError(
            f"run {run_id} has no report yet: --format markdown tells how far it came, "
            f"kernelwright resume {run_id} finishes it"
        ) from error
