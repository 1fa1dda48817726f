"""The readable report of a run: Markdown from the ledger and the outcome, nothing measured anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.events import read_events
from agent.ledger import Ledger
from agent.outcome import Outcome
from agent.report.amounts import seconds as _seconds
from agent.report.gathering import to_facts
from agent.report.telling import sections as told_of
from tools.artifacts import ArtifactStore
from tools.roofline import roof_of


def render_report(folder: Path) -> str:
    """The report of a run in a folder, as far as it has come. Raises RunError for a damaged log."""
    events = read_events(folder / "events.jsonl")
    ledger = Ledger(events)
    finished = ledger.find("run_finished")
    outcome = None if finished is None else Outcome.from_json(finished).at(folder)
    return to_report(ledger, outcome, told_of(to_facts(events, ArtifactStore(folder / "artifacts"), outcome)))


def to_report(ledger: Ledger, outcome: Outcome | None, told: Sequence[str] = ()) -> str:
    """Markdown; ``outcome`` is None for a run that has not ended. ``told``: sections of ``agent.report.telling``."""
    started = ledger.find("run_started") or {}
    sections = [
        _head(started, outcome),
        _champion(outcome),
        _machine(ledger, started),
        _baselines(ledger),
        _candidates(ledger, outcome),
        _models(outcome),
        _recalled(ledger),
        _lessons(ledger),
        *told,
        _usage(started, outcome),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(started: dict[str, Any], outcome: Outcome | None) -> str:
    title = f"# {started.get('problem', 'A run')}: "
    if outcome is None:
        return title + "not finished"
    lines = [title + outcome.status.replace("_", " "), "", outcome.message, ""]
    facts = {
        "Run": outcome.run_id,
        "Target": f"{outcome.target}, {outcome.language}",
        "Model": outcome.model,
        "Candidates": f"{outcome.candidates} judged, {outcome.accepted} accepted",
        "Active time": f"{outcome.elapsed_s:.1f} s",
        "Tokens": f"{outcome.tokens}" + _cost(outcome.cost_usd),
        "Memory": f"{outcome.recalled} recalled, {outcome.stored} stored",
        "Ended by": (outcome.stop_reason or "nothing: it did not end by itself").replace("_", " "),
    }
    return "\n".join([*lines, *(f"- {name}: {value}" for name, value in facts.items())])


def _cost(cost_usd: float | None) -> str:
    if cost_usd is None:
        return " (price unknown)"
    return f" (${cost_usd:.4f})" if cost_usd else ""


def _champion(outcome: Outcome | None) -> str:
    if outcome is None or outcome.best is None:
        return ""
    best = outcome.best
    rows = {
        "Candidate": f"`{best['candidate']}`, the {_ordinal(outcome.candidates_to_best or 0)} judged",
        "Speed-up over the best baseline": f"{best['speedup']:.3f}x, 95 % interval {_interval(best)}",
        "Worst case": _number(best["worst_case_speedup"], "{:.3f}x"),
        "Evidence": f"{best['evidence']}, confirmed in fresh processes with new seeds and unseen shapes",
        "Isolation": best["isolation"],
        "Precision licence": f"{best['precision']}, against the {best['oracle']} oracle",
        "Its error": _error(best["error"]),
        "Eager's error": _error(best["eager_error"]),
        "Allowed": _error(best["error_bound"]),
        "Roofline": _roofline(best),
        "Specialised": _specialised(best["specialised"]),
    }
    lines = ["## Champion", "", *(f"- {name}: {value}" for name, value in rows.items())]
    return "\n".join(lines)


def _machine(ledger: Ledger, started: dict[str, Any]) -> str:
    described = ledger.find("described")
    if described is None:
        return ""
    lines = [
        "## Problem and machine",
        "",
        f"- Operators: {', '.join(described['operators']) or 'unknown'}",
        f"- Processor: {described['cpu'] or 'unknown'}, {described['threads']} threads",
        f"- Software: torch {described['torch_version'] or 'unknown'}, "
        f"kernelwright {started.get('version', 'unknown')}",
        "",
        "| case | inputs | outputs | bytes moved | FLOPs | floor |",
        "|---|---|---|---|---|---|",
    ]
    for case in described["cases"]:
        lines.append(
            f"| {case['name']} | {_facts(case['inputs'])} | {_facts(case['outputs'])} "
            f"| {case['bytes_moved']} | {case['flops']} | {_floor(case.get('floor'))} |"
        )
    return "\n".join(lines)


def _floor(floor: dict[str, Any] | None) -> str:
    if floor is None:
        return "unknown"
    doubt = f" ({_cell(floor['doubt'])})" if floor["doubt"] else ""
    return f"{_seconds(floor['seconds'])}, {floor['bound']}{doubt}"


def _baselines(ledger: Ledger) -> str:
    measured = ledger.find("baselines_measured")
    if measured is None:
        return ""
    lines = ["## Baselines", "", "| baseline | time a call |", "|---|---|"]
    ordered = sorted(measured["baselines"].items(), key=lambda item: item[1])
    return "\n".join([*lines, *(f"| {name} | {_seconds(seconds)} |" for name, seconds in ordered)])


def _candidates(ledger: Ledger, outcome: Outcome | None) -> str:
    tree = ledger.tree()
    if not tree:
        return ""
    best = None if outcome is None or outcome.best is None else outcome.best["candidate"]
    lines = ["## Candidates", "", "| # | candidate | parent | verdict | speed-up | strategy |"]
    lines.append("|---|---|---|---|---|---|")
    for place, node in enumerate(tree, 1):
        mark = " **champion**" if node.id == best else ""
        verdict = node.reason or node.status
        lines.append(
            f"| {place} | `{node.id}`{mark} | {_code(node.parent)} | {verdict} "
            f"| {_number(node.speedup, '{:.3f}x')} | {_cell(node.strategy)} |"
        )
    refusals = [data["refusal"] for data in ledger.all("proposed") if data["refusal"]]
    if refusals:
        lines += ["", f"{len(refusals)} proposals brought none; the last one: {_cell(refusals[-1])}"]
    return "\n".join(lines)


def _models(outcome: Outcome | None) -> str:
    """What each model earned and took, where there were several, or where money was spent or may have been."""
    rows = (outcome.models if outcome is not None else None) or []
    if len(rows) < 2 and not any(row["tokens"] and row["cost_usd"] != 0 for row in rows):
        return ""
    lines = ["## Models", "", "| model | proposals | accepted | best | tokens | cost | share |"]
    lines.append("|---|---|---|---|---|---|---|")
    for row in rows:
        cost = "unknown" if row["cost_usd"] is None else f"${row['cost_usd']:.4f}"
        lines.append(
            f"| {_cell(row['model'])} | {row['proposals']} | {row['accepted']} | {_number(row['best'], '{:.3f}x')} "
            f"| {row['tokens']} | {cost} | {row['share']:.0%} |"
        )
    return "\n".join(lines)


def _recalled(ledger: Ledger) -> str:
    attempts = (ledger.find("recalled") or {"attempts": []})["attempts"]
    if not attempts:
        return ""
    lines = [f"- `{one['candidate']}`: {_cell(one['strategy'])} ({_cell(one['lesson'])})" for one in attempts]
    return "\n".join(["## Recalled from memory", "", *lines])


def _lessons(ledger: Ledger) -> str:
    told: dict[str, str] = {}
    for node in ledger.tree():
        if node.lesson:
            told.setdefault(node.lesson, node.id)
    if not told:
        return ""
    lines = [f"- `{candidate}`: {_cell(lesson)}" for lesson, candidate in told.items()]
    return "\n".join(["## What was learnt", "", *lines])


def _usage(started: dict[str, Any], outcome: Outcome | None) -> str:
    lines = []
    if outcome is not None and outcome.best is not None:
        lines += [
            "## How to use it",
            "",
            "`best.py` is a drop-in for the problem's `Model` and needs nothing of kernelwright:",
            "",
            "```python",
            "from best import ModelNew",
            "",
            "model = ModelNew(*init_inputs)",
            "model.load_state_dict(reference.state_dict(), strict=False)",
            "```",
            "",
        ]
    settings = started.get("settings", {})
    flags = [f"--{name.replace('_', '-')} {settings[name]}" for name in _REPRODUCED if settings.get(name)]
    flags += [f"--start start-{place}.py" for place, _ in enumerate(started.get("starts") or (), 1)]
    seed = f"--seed {settings.get('seed', 0)}"
    lines += ["## How to reproduce", "", "```", " ".join(["kernelwright optimize problem.py", *flags, seed])]
    return "\n".join([*lines, "```"])


_REPRODUCED = ("model", "target", "language", "policy", "max_candidates", "max_seconds", "precision")


def _facts(items: list[Any]) -> str:
    shown = []
    for item in items:
        if isinstance(item, dict):
            shown.append(f"{item['dtype']}[{', '.join(map(str, item['shape']))}]")
        else:
            shown.append(str(item))
    return _cell(", ".join(shown))


def _interval(data: dict[str, Any]) -> str:
    low, high = data["speedup_ci95"] or (data["speedup"], data["speedup"])
    return f"[{low:.3f}, {high:.3f}]"


def _roofline(best: dict[str, Any]) -> str:
    if best["roofline_fraction"] is None:
        return "unknown"
    text = f"{best['roofline_fraction']:.0%} of {roof_of(case.get('bound') for case in best['cases'])}"
    if best.get("at_floor") is None:
        return f"{text}; how much is left to win is not certain"
    headroom = _number(best.get("headroom"), "{:.2f}x")
    return f"{text}; " + ("nothing is left to win" if best["at_floor"] else f"at most {headroom} is left to win")


def _error(facts: dict[str, float] | None) -> str:
    if facts is None:
        return "unknown"
    return f"{facts['worst']:.2e} at the worst element, {facts['norm']:.2e} in norm, of the output's scale"


def _specialised(value: bool | None) -> str:
    return {True: "refuses other shapes with an error", False: "no", None: "unknown"}[value]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _code(text: str | None) -> str:
    return "-" if text is None else f"`{text}`"


def _cell(text: str) -> str:
    """One line that cannot break a table; models write what they like."""
    return " ".join(text.split()).replace("|", "\\|")


def _ordinal(number: int) -> str:
    teens = number % 100 in (11, 12, 13)
    ending = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
