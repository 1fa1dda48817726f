"""What tuning did, in words: a line for lessons, a short table for a verdict's log and for people. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tools.parameters import values_text

REASONS = {
    "hopeless": "it is too far from the fastest, or nothing is left to win",
    "no_optuna": "optuna is not installed",
    "judge": "the judge could not work",
    "max_candidates": "no more candidates may be judged",
}
SHOWN = 8
"""Settings in the table, the quickest first."""


def tuned_text(tuned: Mapping[str, Any]) -> str:
    """A ``tuned`` event as one line."""
    if not tuned["tried"]:
        return f"not tuned: {REASONS.get(tuned['ended_by'], 'there was no time')}"
    failed = f", {tuned['failed']} failed" if tuned["failed"] else ""
    tried = f"{tuned['tried']} settings tried{failed}"
    again = ", measured again in turn" if tuned.get("again") else ""
    figures = f"{tuned['speedup']:.2f}x against {tuned['before']:.2f}x" if tuned["speedup"] is not None else ""
    if not tuned["values"]:
        # What was quickest once and not again is worth a word: it would be tried once more.
        return f"tuning kept the defaults ({tried}{f'; the quickest had {figures}{again}' if figures else ''})"
    return f"tuning chose {values_text(tuned['values'])} ({tried}; {figures} in quick measurements{again})"


def tries_text(tries: Sequence[Mapping[str, Any]]) -> str:
    """Settings and their times, the quickest first, then why others failed."""
    right = sorted((one for one in tries if one["speedup"] is not None), key=lambda one: -one["speedup"])
    lines = [f"{values_text(one['values'])}{_default(one)}: {_time(one)}" for one in right[:SHOWN]]
    if len(right) > SHOWN:
        lines.append(f"{len(right) - SHOWN} slower ones")
    failures = Counter(str(one["reason"]) for one in tries if one["speedup"] is None)
    lines += [f"{count} failed: {reason}" for reason, count in failures.most_common()]
    return "\n".join(lines)


def _default(one: Mapping[str, Any]) -> str:
    return "" if one["number"] else " (defaults)"


def _time(one: Mapping[str, Any]) -> str:
    return f"{one['speedup']:.3f}x" if one["call_s"] is None else f"{one['call_s'] * 1e6:.4g} us, {one['speedup']:.3f}x"
