"""The report as one HTML file that asks for nothing: a policy in its head forbids the browser to try."""

from __future__ import annotations

from dataclasses import asdict

from agent.report.amounts import dollars, duration, interval, ratio, seconds, share
from agent.report.charts import case_chart, speed_chart
from agent.report.facts import Report
from agent.report.markup import Html, join, tag
from agent.report.rows import case_table, diff_block, facts_list, table, time_table, tree_list
from agent.report.style import head_of
from agent.report.telling import MAX_REQUESTS, fate_of, over_text
from agent.tuning.telling import tries_text, tuned_text
from tools.roofline import roof_of

MAX_LESSONS = 200
MAX_REFUSALS = 20
MAX_TUNED = 200


def to_page(report: Report) -> str:
    """The whole file."""
    head = head_of(f"{report.problem or 'A run'} on {report.target}: {report.status.replace('_', ' ')}")
    parts = (_top, _charts, _tree, _starts, _cases, _tuned, _profile, _sources, _learned, _asked, _costs, _about)
    body = tag("body", *(part(report) for part in parts))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _section(title: str, *parts: object) -> Html:
    return tag("section", tag("h2", title), *parts)


def _top(report: Report) -> Html:
    accepted = sum(node.speedup is not None for node in report.nodes)
    verdict = report.verdict or {}
    facts = {
        "Candidates": f"{len(report.nodes)} judged, {accepted} accepted",
        "Active time": duration(report.costs.active_s),
        "Tokens": f"{report.costs.tokens:,}",
        "Cost": dollars(report.costs.cost_usd),
        "Ended by": (report.stop_reason or "nothing: it did not end by itself").replace("_", " "),
    }
    if report.verdict is not None:
        facts |= {
            "Worst case": ratio(verdict.get("worst_case_speedup")),
            "Evidence": f"{verdict.get('evidence', 'unknown')}, {'confirmed' if report.confirmed else 'not confirmed'}",
            "Isolation": str(verdict.get("isolation") or "unknown"),
            "Precision licence": f"{verdict.get('precision', 'unknown')}, {verdict.get('oracle', 'unknown')} oracle",
            "Its error": _error(verdict.get("error")),
            "Eager's error": _error(verdict.get("eager_error")),
            "Allowed": _error(verdict.get("error_bound")),
        }
    title = f"{report.problem or 'A run'} on {report.target or 'unknown'}, {report.language}, model {report.model}"
    return tag(
        "header",
        tag("h1", title),
        tag("p", report.headline, class_=f"verdict {report.status}"),
        facts_list(facts),
    )


def _error(facts: dict[str, float] | None) -> str:
    return "unknown" if not facts else f"{facts['worst']:.2e} worst, {facts['norm']:.2e} in norm"


def _charts(report: Report) -> Html:
    if not report.nodes:
        return _section("Speed-up", tag("p", "No candidate was judged.", class_="none"))
    legend = (
        "Each accepted candidate with its 95 % interval; the blue line is the best so far, the broken one the best "
        "baseline; red marks at the bottom are rejected candidates. All of it as first judged, before the confirmation."
    )
    time = speed_chart(report.nodes, lambda node: node.elapsed_s, "active time of the run", "time")
    parts = [tag("figure", time, tag("figcaption", legend))]
    if any(node.tokens for node in report.nodes):
        tokens = speed_chart(report.nodes, lambda node: float(node.tokens), "tokens spent", "tokens")
        parts.append(tag("figure", tokens))
    else:
        parts.append(tag("p", "Over tokens there is nothing to draw: none were spent.", class_="none"))
    return _section("Speed-up", *parts)


def _tree(report: Report) -> Html:
    if not report.nodes and not report.refusals:
        return Html("")
    said = [tag("li", " ".join(text.split())[:300]) for text in report.refusals[-MAX_REFUSALS:]]
    refused = Html("")
    if said:
        title = f"{len(report.refusals)} proposals brought no candidate"
        refused = tag("details", tag("summary", title), tag("ul", *said))
    unjudged = ""
    if report.unjudged:
        unjudged = f"{report.unjudged} judgements failed for want of infrastructure and count for nothing."
    reasons = ", ".join(f"{name} {count}" for name, count in report.reasons.items())
    note = tag("p", f"Rejected: {reasons or 'none'}. {unjudged}", class_="note")
    return _section("Tree", note, tree_list(report), refused)


def _starts(report: Report) -> Html:
    if not report.starts:
        return Html("")
    header = ("kernel", "verdict", "over the best baseline", "95 % interval", "the champion over it")
    rows = [
        (start.name, fate_of(start)[:600], ratio(start.speedup), interval(start.ci95), over_text(start))
        for start in report.starts
    ]
    return _section("Started from", table(header, rows, numbers=3))


def _cases(report: Report) -> Html:
    against = [(name, seconds(value)) for name, value in report.baselines.items()]
    baselines = [tag("h3", "Baselines"), table(("baseline", "time a call"), against, numbers=1)] if against else []
    if not report.cases:
        return _section("Cases", *baselines) if baselines else Html("")
    note = "Times of a call are medians of interleaved blocks; the green line is the least that the device allows."
    chart = tag("figure", case_chart(report.cases), tag("figcaption", note))
    return _section("Cases", case_table(report.cases), chart, *baselines)


def _tuned(report: Report) -> Html:
    """Figures here are no verdicts: whoever won was judged like any other."""
    if not report.tuned:
        return Html("")
    parts: list[Html] = []
    for tuned in report.tuned[:MAX_TUNED]:
        parts.append(tag("p", tag("code", tuned.candidate[:8]), " ", tuned_text(asdict(tuned))))
        tries = [tag("li", line) for line in tries_text(tuned.tries).splitlines()]
        if tries:
            parts.append(tag("details", tag("summary", "What was tried"), tag("ul", *tries)))
    left = len(report.tuned) - MAX_TUNED
    more = tag("p", f"{left} more are in the JSON form of this report.", class_="note") if left > 0 else Html("")
    return _section("Numbers", *parts, more)


def _profile(report: Report) -> Html:
    verdict = report.verdict or {}
    parts: list[Html] = []
    fraction = verdict.get("roofline_fraction")
    if report.verdict is not None:
        roof = roof_of(case.bound for case in report.cases)
        left = verdict.get("headroom")
        text = "Nothing is known of the roofline." if fraction is None else f"It reaches {share(fraction)} of {roof}."
        if fraction is not None and verdict.get("at_floor") is not None:
            text += " Nothing is left to win." if verdict["at_floor"] else f" At most {ratio(left)} is left to win."
        parts.append(tag("p", text))
    for profile in report.profiles:
        whose = "the champion" if profile.candidate == report.champion else "not the champion"
        parts.append(tag("h3", f"{profile.profiler} on {profile.candidate[:8]} ({whose}): bound by {profile.bound}"))
        rows = [(one["kind"], one["evidence"], one["advice"], share(one["severity"])) for one in profile.findings]
        parts.append(table(("what", "evidence", "what usually helps", "weight"), rows, numbers=1))
    if not report.profiles:
        parts.append(tag("p", "No profiler was asked in this run.", class_="none"))
    return _section("Profile and roofline", *parts)


def _sources(report: Report) -> Html:
    sources = report.sources
    if sources.champion is None:
        return Html("")
    node = next((one for one in report.nodes if one.id == report.champion), None)
    orphan = node is None or node.parent is None
    absent = "It was written anew: there is no parent." if orphan else "The parent's source was not kept."
    pair = [
        tag("div", tag("h3", name), tag("pre", text if text is not None else "not kept"))
        for name, text in (("Reference", sources.reference), ("Champion", sources.champion))
    ]
    against = diff_block(sources.reference_diff, "The reference was not kept.")
    return _section(
        "Champion",
        tag("h3", "Against its parent"),
        diff_block(sources.parent_diff, absent),
        tag("details", tag("summary", "Against the reference"), against),
        tag("details", tag("summary", "Both sources side by side"), tag("div", *pair, class_="beside")),
    )


def _learned(report: Report) -> Html:
    if not report.lessons:
        return Html("")
    rows = [
        (tag("code", one.candidate[:8]), one.bottleneck or "-", one.lesson[:600], one.times)
        for one in report.lessons[:MAX_LESSONS]
    ]
    left = len(report.lessons) - len(rows)
    more = tag("p", f"{left} more are in the JSON form of this report.", class_="note") if left else Html("")
    return _section("What was learned", table(("candidate", "limit", "lesson", "times"), rows, numbers=1), more)


def _asked(report: Report) -> Html:
    if not report.requests:
        return Html("")
    rows = [
        (duration(one.elapsed_s), one.asked_at, one.said, f"not done: {one.refused}" if one.refused else "done")
        for one in report.requests[-MAX_REQUESTS:]
    ]
    left = len(report.requests) - len(rows)
    more = tag("p", f"{left} earlier ones are in the JSON form of this report.", class_="note") if left else Html("")
    return _section("Asked while it ran", table(("after", "asked (UTC)", "what", "and then"), rows), more)


def _costs(report: Report) -> Html:
    costs = report.costs
    rows = [(one["model"] or "unknown", f"{one['tokens']:,}", dollars(one["cost_usd"])) for one in costs.models]
    parts = [time_table(costs.where, costs.active_s)]
    if costs.judging:
        spent = [(name, duration(value)) for name, value in costs.judging.items()]
        parts += [tag("h3", "Judging, stage by stage"), table(("stage", "time"), spent, numbers=1)]
    calls = f"{costs.calls} calls of models took {duration(costs.calls_s)}, counted one after the other."
    total = f"In all {costs.tokens:,} tokens, {dollars(costs.cost_usd)}. {calls}"
    parts += [tag("h3", "Models"), tag("p", total)]
    if rows:
        parts.append(table(("model", "tokens", "cost"), rows, numbers=2))
    return _section("What it cost", *parts)


def _about(report: Report) -> Html:
    facts = {"Run": report.run_id, "Began": report.began, "Policy": report.policy or "unknown", **report.machine}
    facts["kernelwright"] = report.version or "unknown"
    whole = "Speed-up: geometric mean over the cases of t(best baseline) / t(candidate), measured interleaved."
    interval_ = (report.verdict or {}).get("speedup_ci95")
    note = f"{whole} The champion's 95 % interval: {interval(interval_)}." if interval_ else whole
    return tag("footer", _section("Run and machine", facts_list(facts), tag("p", note, class_="note")), join([]))
