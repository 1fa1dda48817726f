"""The table that closes a run, from the outcome's JSON."""

from __future__ import annotations

from typing import Any

from kernelwright.output import one_line, table
from kernelwright.run_view import CandidateRow, RunView
from kernelwright.wording import over_start_line, seconds, speedup, start_line, verdict_line, verdict_rows

_HEADLINES = {
    "improved": "faster",
    "no_improvement": "no improvement",
    "failed": "failed",
    "interrupted": "interrupted: the state is kept",
}


def closing_table(outcome: dict[str, Any]) -> str:
    """Everything one wants to know at the end of a run, on one screen."""
    best = outcome.get("best")
    status = str(outcome.get("status"))
    rows = [("result", _HEADLINES.get(status, status))]
    if outcome.get("message") and status != "improved":
        rows.append(("because", one_line(str(outcome["message"]))))
    if best:
        rows += verdict_rows(best)[1:]  # its first row is the result again
    rows += [row for start in outcome.get("starts") or [] for row in _start_rows(start)]
    rows.append(("search", _search_line(outcome)))
    rows += [(f"  {row['model']}", _model_line(row)) for row in _several(outcome)]
    if outcome.get("recalled") is not None:
        rows.append(("memory", f"{outcome['recalled']} recalled, {outcome.get('stored', 0)} stored"))
    if best and best.get("path"):
        rows.append(("kernel", str(best["path"])))
    if outcome.get("run_dir"):
        rows.append(("run folder", str(outcome["run_dir"])))
    unfinished = status == "interrupted" or outcome.get("stop_reason") == "model_unavailable"
    if unfinished and outcome.get("run_id"):
        rows.append(("go on with", f"kernelwright resume {outcome['run_id']}"))
    return table(rows)


def run_table(view: RunView) -> str:
    """A run as `show` tells it: what is known of it, then its candidates in the order of judging."""
    rows = [
        ("run", view.run_id),
        ("problem", view.problem),
        ("target", view.target),
        ("model", view.model),
        ("state", view.status),
        ("best", speedup(view.best_speedup, view.best_ci95)),
        *((f"  {name}", seconds(value)) for name, value in sorted(view.baselines.items())),
    ]
    text = table(rows)
    if view.rows:
        lines = [
            (
                ("* " if row.candidate == view.best else "  ") + row.candidate[:8],
                verdict_line(row.verdict),
                one_line(row.strategy),
            )
            for row in view.rows.values()
        ]
        text += "\n\n" + table(lines, header=("  candidate", "verdict", "strategy"))
    return "\n\n".join([text, *(_settings_text(row) for row in view.rows.values() if row.tuned is not None)])


def _settings_text(row: CandidateRow) -> str:
    """What tuning tried of a candidate, and what came of it."""
    from agent.tuning.telling import tries_text, tuned_text

    assert row.tuned is not None
    lines = [f"{row.candidate[:8]}: {tuned_text(row.tuned)}", *tries_text(row.settings).splitlines()]
    return "\n  ".join(lines)


def _search_line(outcome: dict[str, Any]) -> str:
    parts = [
        f"{outcome.get('candidates', 0)} candidates judged, {outcome.get('accepted', 0)} accepted",
        f"{outcome.get('elapsed_s') or 0:.0f} s",
    ]
    if outcome.get("tokens"):
        parts.append(f"{outcome['tokens']:,} tokens")
        parts.append(_cost(outcome.get("cost_usd", 0.0)))
    if outcome.get("stop_reason"):
        parts.append(f"stopped by {outcome['stop_reason']}")
    return ", ".join(parts)


def _start_rows(start: dict[str, Any]) -> list[tuple[str, str]]:
    """A kernel of the user's, and how it compares with what was found."""
    rows = [("your kernel", start_line(start))]
    if start.get("over_start"):
        rows.append(("  over it", over_start_line(start["over_start"])))
    return rows


def _several(outcome: dict[str, Any]) -> list[dict[str, Any]]:
    """A row a model, where there is more than one."""
    rows = outcome.get("models") or []
    return rows if len(rows) > 1 else []


def _model_line(row: dict[str, Any]) -> str:
    proposals = f"{row['proposals']} proposals ({row['share']:.0%}), {row['accepted']} accepted"
    return f"{proposals}, best {speedup(row['best'])}, {row['tokens']:,} tokens, {_cost(row['cost_usd'])}"


def _cost(cost_usd: float | None) -> str:
    if cost_usd is None:
        return "cost unknown"
    return f"${cost_usd:.4f}" if 0 < cost_usd < 0.1 else f"${cost_usd:.2f}"
