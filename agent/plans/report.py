"""A plan's report: one HTML file that asks for nothing else, the same as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from agent.plans.events import PlanState
from agent.plans.folder import PlanFolder
from agent.plans.outcome import EntryRow, PlanOutcome, run_report, to_outcome
from agent.plans.plan import Plan
from agent.report.amounts import dollars, duration, interval, ratio
from agent.report.charts import speed_chart
from agent.report.facts import Report
from agent.report.markup import Html, join, tag
from agent.report.rows import facts_list, table
from agent.report.style import head_of

_COLUMNS = (
    "operator",
    "target",
    "model",
    "state",
    "speed-up",
    "95 % interval",
    "judged",
    "active time",
    "tokens",
    "cost",
)
_NUMBERS = 6
_BAD = ("failed", "refused", "skipped")


def plan_files(folder: PlanFolder, plan: Plan, state: PlanState) -> Iterator[tuple[str, str]]:
    """Name and text of each file that a plan leaves beside its runs."""
    outcome = to_outcome(folder, plan, state)
    yield "report.json", json.dumps(outcome.to_json(), indent=2) + "\n"
    yield "report.md", to_markdown(outcome)
    yield "report.html", to_page(outcome, folder)


def to_markdown(outcome: PlanOutcome) -> str:
    """Totals, a row an operator, and what failed."""
    lines = [f"# {outcome.name}: {_state(outcome)}", "", outcome.message, ""]
    lines += [f"- {name}: {value}" for name, value in _totals(outcome).items()]
    lines += ["", f"| {' | '.join(_COLUMNS)} |", f"|{'---|' * len(_COLUMNS)}"]
    for row in outcome.entries:
        name = f"[{row.name}]({row.run}/report.md)" if _has_page(row) else row.name
        lines.append(f"| {' | '.join([name, *_cells(row)[1:]])} |")
    if bad := [row for row in outcome.entries if row.status in _BAD]:
        lines += ["", "## What failed, and why", ""]
        lines += [f"- {row.name}, {row.status}: {' '.join(row.message.split())}" for row in bad]
    return "\n".join(lines) + "\n"


def to_page(outcome: PlanOutcome, folder: PlanFolder) -> str:
    """The whole file; charts of the runs are in it, their own pages are linked."""
    head = head_of(f"{outcome.name}: {_state(outcome)}")
    kind = "improved" if outcome.exit_code == 0 else "failed" if outcome.exit_code in (2, 3) else "interrupted"
    top = tag(
        "header",
        tag("h1", f"Plan {outcome.name}, {outcome.plan_id}"),
        tag("p", f"{_state(outcome).capitalize()}: {outcome.message}", class_=f"verdict {kind}"),
        facts_list(_totals(outcome)),
    )
    bad = [row for row in outcome.entries if row.status in _BAD]
    parts = [top, _section("Operators", table(_COLUMNS, map(_linked, outcome.entries), numbers=_NUMBERS))]
    if bad:
        items = [tag("li", tag("strong", row.name), f", {row.status}: {row.message}") for row in bad]
        parts.append(_section("What failed, and why", tag("ul", *items)))
    parts += [_run_section(row, run_report(folder.run(row.name))) for row in outcome.entries]
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', *parts), lang='en')}\n"


def _section(title: str, *parts: object) -> Html:
    return tag("section", tag("h2", title), *parts)


def _state(outcome: PlanOutcome) -> str:
    return "complete" if outcome.status == "complete" else f"{outcome.status}, not at its end"


def _totals(outcome: PlanOutcome) -> dict[str, str]:
    done = [row for row in outcome.entries if row.status == "improved"]
    spent = {
        "seconds": duration(outcome.elapsed_s),
        "tokens": f"{outcome.tokens:,}",
        "dollars": dollars(outcome.cost_usd),
        "candidates": str(outcome.candidates),
    }
    names = {"seconds": "Active time", "tokens": "Tokens", "dollars": "Cost", "candidates": "Candidates judged"}
    facts = {"Improved": f"{len(done)} of {len(outcome.entries)} operators"}
    facts |= {names[key]: spent[key] + _of(key, outcome.budget.get(key)) for key in names}
    facts |= {"Began": _time(outcome.began), "Last event": _time(outcome.ended)}
    return facts | ({"Deadline": _time(outcome.deadline)} if outcome.deadline else {})


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _of(key: str, bound: float | None) -> str:
    if bound is None:
        return ""
    shown = {"seconds": duration(bound), "dollars": dollars(bound)}.get(key, f"{bound:,.0f}")
    return f" of {shown}"


def _cells(row: EntryRow) -> list[str]:
    return [
        row.name,
        row.target,
        row.model,
        row.status.replace("_", " ") + (f" ({row.stop_reason.replace('_', ' ')})" if row.stop_reason else ""),
        ratio(row.speedup),
        interval(row.speedup_ci95),
        str(row.candidates),
        duration(row.elapsed_s),
        f"{row.tokens:,}",
        dollars(row.cost_usd),
    ]


def _linked(row: EntryRow) -> list[object]:
    link = tag("a", row.name, href=f"#run-{row.name}") if row.run else row.name
    return [link, *_cells(row)[1:]]


def _has_page(row: EntryRow) -> bool:
    return row.run is not None and row.status in ("improved", "no_improvement")


def _run_section(row: EntryRow, report: Report | None) -> Html:
    """A run in short, its page a click away."""
    if report is None:
        return Html("")
    parts: list[object] = [tag("p", report.headline)]
    if report.nodes:
        chart = speed_chart(report.nodes, lambda node: node.elapsed_s, "active time of the run", "time")
        parts.append(tag("figure", chart))
    if _has_page(row):
        parts.append(tag("p", tag("a", "the whole report of this run", href=f"{row.run}/report.html"), class_="note"))
    else:
        text = f"kernelwright report {row.run_id} --format html tells how far it came"
        parts.append(tag("p", text, class_="note"))
    return tag("section", tag("h2", row.name), join(parts), id=f"run-{row.name}")
