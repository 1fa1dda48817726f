"""The parts of the Markdown report that are made of the same facts as the page."""

from __future__ import annotations

import re
from dataclasses import asdict

from agent.report.amounts import dollars, duration, interval, ratio, seconds, share
from agent.report.facts import Report, StartFacts
from agent.tuning.telling import tries_text, tuned_text

MAX_DIFF_LINES = 400
MAX_REPEATS = 200
MAX_REQUESTS = 200


def sections(report: Report) -> list[str]:
    """What was started from, cases against the floor, tuned numbers, who was not judged or evicted, the profile, the
    diff, what was asked meanwhile, the costs.
    """
    parts = (_starts, _cases, _tuned, _left_out, _profile, _diff, _asked, _costs)
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


def _starts(report: Report) -> str:
    """The user's own kernels, where the run started from some."""
    if not report.starts:
        return ""
    lines = ["## Started from", "", "| kernel | verdict | over the best baseline | the champion over it |"]
    lines.append("|---|---|---|---|")
    for start in report.starts:
        over = "-" if start.speedup is None else f"{ratio(start.speedup)} {interval(start.ci95)}"
        lines.append(f"| {_plain(start.name)} | {_plain(fate_of(start))} | {over} | {_plain(over_text(start))} |")
    return "\n".join(lines)


def fate_of(start: StartFacts) -> str:
    """``accepted``, or why not."""
    verdict = start.reason or start.status.replace("_", " ")
    return f"{verdict}: {start.detail}" if start.detail else verdict


def over_text(start: StartFacts) -> str:
    """How much faster than it the champion is."""
    if start.over is None:
        return "-"
    if start.over["speedup"] is None:
        return f"not comparable: {start.over['why']}"
    return f"{ratio(start.over['speedup'])} {interval(start.over['speedup_ci95'])}"


def _tuned(report: Report) -> str:
    """Which numbers were left open, what was tried, and how quick it was."""
    sections = []
    for tuned in report.tuned:
        lines = [f"`{tuned.candidate}`: {_plain(tuned_text(asdict(tuned)))}"]
        tries = tries_text(tuned.tries).splitlines()
        sections.append("\n".join([*lines, *(["", *(f"- {_plain(line)}" for line in tries)] if tries else [])]))
    return "\n\n".join(["## Numbers", *sections]) if sections else ""


def _asked(report: Report) -> str:
    """What somebody wished for while it ran."""
    if not report.requests:
        return ""
    lines = [
        f"- after {duration(one.elapsed_s)}: {_plain(one.said)}"
        + (f" (not done: {_plain(one.refused)})" if one.refused else "")
        for one in report.requests[-MAX_REQUESTS:]
    ]
    left = len(report.requests) - len(lines)
    return "\n".join(
        ["## Asked while it ran", "", *([f"{left} earlier ones are left out.", ""] if left else []), *lines]
    )


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
