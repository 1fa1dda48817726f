"""The parts of the Markdown report that are made of the same facts as the page."""

from __future__ import annotations

import re

from agent.report.amounts import dollars, duration, interval, ratio, seconds, share
from agent.report.facts import Report

MAX_DIFF_LINES = 400
MAX_REPEATS = 200


def sections(report: Report) -> list[str]:
    """Cases against the floor, who was not judged or evicted, the profile, the diff, the costs."""
    parts = (_cases, _left_out, _profile, _diff, _costs)
    return [text for part in parts if (text := part(report))]


def _cases(report: Report) -> str:
    if not report.cases:
        return ""
    lines = ["## Cases", "", "| case | best baseline | candidate | speed-up | 95 % interval | of the floor |"]
    lines.append("|---|---|---|---|---|---|")
    for case in report.cases:
        lines.append(
            f"| {_plain(case.name)} | {seconds(case.baseline_s)} ({_plain(case.baseline) or 'unknown'}) "
            f"| {seconds(case.candidate_s)} | {ratio(case.speedup)} | {interval(case.ci95)} | {share(case.fraction)} |"
        )
    return "\n".join(lines)


def _left_out(report: Report) -> str:
    evicted = [f"`{node.id}` ({ratio(node.speedup)})" for node in report.nodes if node.fate == "evicted"]
    lines = [f"Evicted from the archive by faster ones of their kind: {', '.join(evicted)}"] if evicted else []
    if report.repeats:
        lines.append(f"{len(report.repeats)} proposals were not judged, being the same program as another:")
        lines += [f"- `{one.candidate}`, the same as `{one.same_as}`" for one in report.repeats[:MAX_REPEATS]]
    return "\n".join(["## Evicted and recognised", "", *lines]) if lines else ""


def _profile(report: Report) -> str:
    lines = []
    for profile in report.profiles:
        lines += [f"{_plain(profile.profiler)} on `{profile.candidate}`: bound by {_plain(profile.bound)}", ""]
        lines += [
            f"- {_plain(one['kind'])}: {_plain(one['evidence'])} ({_plain(one['advice'])})" for one in profile.findings
        ]
    return "\n".join(["## Profile", "", *lines]) if lines else ""


def _diff(report: Report) -> str:
    if not report.sources.parent_diff:
        return ""
    lines = report.sources.parent_diff.split("\n")
    longest = max((len(run) for run in re.findall("~+", report.sources.parent_diff)), default=0)
    fence = "~" * max(3, longest + 1)  # which no line of a candidate can close
    cut = ["... (cut)"] if len(lines) > MAX_DIFF_LINES else []
    return "\n".join(["## Champion against its parent", "", f"{fence}diff", *lines[:MAX_DIFF_LINES], *cut, fence])


def _costs(report: Report) -> str:
    costs = report.costs
    lines = ["## What it cost", "", "| what | active time | share |", "|---|---|---|"]
    total = costs.active_s
    lines += [
        f"| {name} | {duration(value)} | {share(value / total if total else 0.0)} |"
        for name, value in costs.where.items()
    ]
    lines += ["", f"{costs.tokens} tokens, {dollars(costs.cost_usd)}, {costs.calls} calls of models"]
    return "\n".join(lines)


def _plain(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|").replace("`", "'")
