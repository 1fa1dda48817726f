"""The report of an evaluation, and a comparison, as Markdown pages that can be published as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from agent.report.amounts import duration
from evals.arms import AGENT
from evals.comparing import Comparison, Pair, Side, beside
from evals.reporting import SuiteReport
from evals.results import SuiteResult
from evals.scoring import GOAL, Score
from tools.verdict import Verdict

FAST_P_PLOT = "fast_p.svg"
SPEEDUPS_PLOT = "speedups.svg"
COMPARISON_PLOT = "comparison.svg"


def to_markdown(report: SuiteReport) -> str:
    """The page of an evaluation; its plots lie beside it."""
    lines = [f"# Suite {report.suite}", "", report.description, "", *_circumstances(report)]
    scores = report.scores
    if scores:
        lines += ["", *_headline(scores), "", *_scores(scores)]
        lines += ["", *(_beside_line(arm, found) for arm, found in beside(report).items())]
        lines += [report.note] if report.note else []
        lines += _bars(report)
        lines += ["", *_curves(scores), "", f"![fast_p]({FAST_P_PLOT})", "", f"![speed-ups]({SPEEDUPS_PLOT})"]
        lines += ["", *_results(report)]
    failed = [result for result in report.results if not result.is_complete]
    if failed:
        lines += ["", "## Not finished", ""]
        lines += [f"- {spelled(report, result)}: {result.message or 'not judged twice'}" for result in failed]
    return "\n".join(lines) + "\n"


def comparison_page(found: Comparison) -> str:
    """The page of a comparison."""
    lines = ["# Comparison", "", verdict_line(found), ""]
    lines += [f"The noise is known from {found.basis}. Licence: {found.licence}.", ""]
    rows = [("", "before", "after"), *_sides(found.before, found.after)]
    lines += _table(rows)
    if found.moved:
        lines += ["", "## Problems that moved", "", *(_moved_line(pair) for pair in found.moved)]
    for title, names in (
        ("Failed on both sides, left out", found.left_out),
        ("Only before", found.only_before),
        ("Only after", found.only_after),
    ):
        lines += ["", f"{title}: {', '.join(names)}."] if names else []
    lines += ["", f"![ratios]({COMPARISON_PLOT})", "", "## Problem by problem", ""]
    lines += _table(
        [
            ("problem", "before", "after", "ratio", "99.9 %"),
            *(
                (pair.name, f"{pair.before:.2f}x", f"{pair.after:.2f}x", f"{pair.ratio:.3f}", _span(pair))
                for pair in found.pairs
            ),
        ]
    )
    return "\n".join(lines) + "\n"


def verdict_line(found: Comparison) -> str:
    """What is said, one line."""
    said = {"better": "Better", "same": "The same", "worse": "Worse"}[found.word]
    count = len(found.pairs)
    return (
        f"**{said}**: the speed-ups are {found.ratio:.3f} times what they were "
        f"(99.9 %: {_bound(found.low)} to {_bound(found.high)}; noise band {_band(found.band)}), "
        f"geometric mean over {count} problem{'s' if count != 1 else ''}."
    )


def spelled(report: SuiteReport, result: SuiteResult) -> str:
    """A run's name, as long as it has to be."""
    name = f"{result.name}, {result.arm}" if len(report.arms) > 1 else result.name
    return f"{name}, repeat {result.repeat}" if report.repeats > 1 else name


def _circumstances(report: SuiteReport) -> list[str]:
    machine = report.machine
    facts = {
        "Date": report.date,
        "Machine": ", ".join(
            filter(None, (machine.get("device"), machine["cpu"], f"{machine['cores']} threads", machine["system"]))
        ),
        "torch": machine["torch"] or "not asked",
        "Evidence": ", ".join(machine["evidence"]) or "none",
        "Isolation": ", ".join(machine["isolation"]) or "none",
        "Target": f"{report.target}, {report.language}",
        "Licence": report.licence,
        "Model": f"{report.model}, seed {report.seed}",
        "Agent": f"without {', '.join(report.without)}" if report.without else "whole",
        "Repeats": str(report.repeats),
        "Version": f"kernelwright {report.version}, suite {report.suite_id}",
        "Command": f"`{report.command}`",
        "Status": f"{report.status}: {len(report.results)} of {report.planned} runs",
    }
    return ["| | |", "|---|---|", *(f"| {name} | {_cell(value)} |" for name, value in facts.items())]


def _headline(scores: Mapping[str, Score]) -> list[str]:
    arm, found = next(iter(scores.items()))
    low, high = found.geometric_mean_ci95
    whose = "" if arm == AGENT else f" of {arm}"
    return [
        f"**Geometric mean{whose} {found.geometric_mean:.2f}x** over the faster of eager and torch.compile "
        f"(95 % over problems and repeats: {low:.2f} to {high:.2f}), by this evaluation's own judgements, "
        "counting 1.0 where nothing faster was found."
    ]


def _scores(scores: Mapping[str, Score]) -> list[str]:
    rows: list[tuple[str, ...]] = [("", *scores)]
    found = list(scores.values())
    rows += [
        ("geometric mean", *(_with(one.geometric_mean, one.geometric_mean_ci95, "x") for one in found)),
        ("as the search confirmed it", *(f"{one.claimed_geometric_mean:.2f}x" for one in found)),
        ("pass rate", *(_percent(one.pass_rate, one.pass_rate_ci95) for one in found)),
        ("faster", *(f"{one.improved} of {one.problems * one.repeats} runs" for one in found)),
        ("worst champion", *(_worst(one) for one in found)),
        (f"candidates to {GOAL:g}x", *(_steps(one) for one in found)),
        ("tokens", *(f"{one.tokens:,}" for one in found)),
        ("cost", *("unknown" if one.cost_usd is None else f"${one.cost_usd:.4f}" for one in found)),
        ("time", *(duration(one.seconds) for one in found)),
        ("two judgements agree", *(_agreement(one) for one in found)),
    ]
    return _table(rows)


def _curves(scores: Mapping[str, Score]) -> list[str]:
    first = next(iter(scores.values()))
    rows = [("more than p times as fast", *first.fast_p)]
    rows += [
        (arm, *(_percent(share, found.fast_p_ci95[p]) for p, share in found.fast_p.items()))
        for arm, found in scores.items()
    ]
    return _table(rows)


def _bars(report: SuiteReport) -> list[str]:
    if not report.least:
        return []
    if report.missed:
        return ["", "**Bars missed:**", "", *(f"- {line}" for line in report.missed)]
    due = sum(result.name in report.least for result in report.of(AGENT))
    return ["", f"All {due} bars are reached." if report.status == "complete" else f"{due} bars are reached so far."]


def _beside_line(arm: str, found: Comparison) -> str:
    ratio = f"{found.ratio:.2f} times as fast answers as {arm} (99.9 %: {_bound(found.low)} to {_bound(found.high)})"
    used = f"{found.after.tokens:,} tokens beside {found.before.tokens:,}"
    return f"- the agent beside {arm}: **{found.word}**, {ratio}, {used}"


def _results(report: SuiteReport) -> list[str]:
    head = ("problem", "family", "best baseline", "time", "champion", "speed-up (95 %)", "judged again (95 %)", "agree")
    return _table([head, *(_row(report, result) for result in report.results)])


def _row(report: SuiteReport, result: SuiteResult) -> tuple[str, ...]:
    cells = (spelled(report, result), result.family)
    best = result.first
    if best is None or not best.baselines or best.speedup is None:
        text = "no improvement" if result.outcome is not None else "failed"
        return (*cells, "", "", "", text, "", "")
    name, seconds = min(best.baselines.items(), key=lambda item: item[1])
    times = (name, _milliseconds(seconds), _milliseconds(seconds / best.speedup), _speedup(best))
    return (*cells, *times, _speedup(result.second), {True: "yes", False: "**no**", None: ""}[result.agrees])


def _sides(before: Side, after: Side) -> Iterable[tuple[str, str, str]]:
    for name, value in (
        ("what", lambda side: side.what),
        ("version", lambda side: f"{side.version}, {side.date}"),
        ("geometric mean", lambda side: f"{side.geometric_mean:.2f}x"),
        ("tokens", lambda side: f"{side.tokens:,}"),
        ("cost", lambda side: "unknown" if side.cost_usd is None else f"${side.cost_usd:.4f}"),
        ("time", lambda side: duration(side.seconds)),
    ):
        yield name, value(before), value(after)


def _moved_line(pair: Pair) -> str:
    return f"- {pair.name}: {pair.before:.2f}x, now {pair.after:.2f}x ({pair.ratio:.2f} times; {_span(pair)})"


def _span(pair: Pair) -> str:
    return f"{_bound(pair.low)} to {_bound(pair.high)}"


def _bound(value: float) -> str:
    return f"{value:.3f}" if 1e-2 < value < 1e2 else f"{value:.0e}"


def _band(factor: float) -> str:
    return f"{factor - 1:.1%}".replace("%", " %") if factor < 10 else "wider than can be told"


def _worst(found: Score) -> str:
    return "none" if found.worst is None else f"{found.worst:.2f}x ({found.worst_problem})"


def _steps(found: Score) -> str:
    runs = f"{found.reached_goal} of {found.problems * found.repeats} runs"
    return f"{found.steps_to_goal:g} (median of {runs})" if found.steps_to_goal is not None else f"- ({runs})"


def _agreement(found: Score) -> str:
    text = f"{found.agreeing} of {found.judged_twice}"
    return f"{text}; not on {', '.join(found.disagreeing)}" if found.disagreeing else text


def _with(value: float, interval: tuple[float, float], unit: str) -> str:
    return f"{value:.2f}{unit} ({interval[0]:.2f} to {interval[1]:.2f})"


def _percent(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.0%} ({interval[0]:.0%} to {interval[1]:.0%})"


def _speedup(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    if verdict.speedup is None or verdict.speedup_ci95 is None:
        return verdict.reason or ""
    return _with(verdict.speedup, verdict.speedup_ci95, "")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
