"""The builtin model on the wide suite in a few numbers, beside what they are meant to be. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.gpu_bench.pieces import Row
from evals.intervals import geometric_mean, quantile
from evals.scoring import Entry as Scored
from evals.scoring import Score, score

FASTER_SHARE = 0.5
GEOMETRIC_MEAN = 1.2
ROOFLINE = 0.85
PROBLEMS = 40


@dataclass(frozen=True)
class Bar:
    """Something that was promised, and what was found."""

    what: str
    wanted: str
    found: str
    holds: bool | None
    """None where too little was measured to say."""


def score_of(rows: Sequence[Row]) -> Score:
    """Of the suite's own scoring: 1.0 where nothing faster was found, failures included. ValueError for no rows."""
    entries = []
    for row in rows:
        verdict = row.get("verdict") or {}
        entries.append(
            Scored(
                name=row["name"],
                accepted=row.get("accepted", 0) > 0,
                speedup=verdict.get("speedup"),
                improved=bool(row.get("confirmed")),
            )
        )
    return score(entries)


def bars(rows: Sequence[Row]) -> list[Bar]:
    """None for no rows; a row that failed counts as not accepted and 1.0."""
    if not rows:
        return []
    found = score_of(rows)
    low, high = found.geometric_mean_ci95
    share = found.improved / found.problems
    failed = sum("error" in row for row in rows)
    return [
        Bar("problems measured", f"at least {PROBLEMS}", f"{found.problems}", found.problems >= PROBLEMS),
        Bar(
            "accepted",
            "all",
            f"{found.accepted} of {found.problems}" + (f" ({failed} failed)" if failed else ""),
            found.accepted == found.problems,
        ),
        Bar(
            "faster than the best baseline, confirmed",
            f"at least {FASTER_SHARE:.0%}",
            f"{found.improved} of {found.problems} ({share:.0%})",
            share >= FASTER_SHARE,
        ),
        Bar(
            "geometric mean, 1.0 where nothing better was found",
            f"at least {GEOMETRIC_MEAN:.2f}x",
            f"{found.geometric_mean:.2f}x (95 % over problems {low:.2f} to {high:.2f})",
            found.geometric_mean >= GEOMETRIC_MEAN,
        ),
        _roofline(rows),
    ]


def roofline_fractions(rows: Sequence[Row]) -> list[float]:
    """Of the problems that memory bounds, of every accepted kernel, faster than a baseline or not."""
    fractions = []
    for row in rows:
        fraction = (row.get("verdict") or {}).get("roofline_fraction")
        if row.get("bound") == "memory" and fraction:
            fractions.append(float(fraction))
    return fractions


def _roofline(rows: Sequence[Row]) -> Bar:
    fractions = sorted(roofline_fractions(rows))
    bounded = sum(row.get("bound") == "memory" for row in rows)
    what, wanted = "fraction of the roofline, memory-bound, geometric mean", f"at least {ROOFLINE:.0%}"
    if not fractions:
        return Bar(what, wanted, f"not measured ({bounded} memory-bound problems)", None)
    mean, reached = geometric_mean(fractions), sum(fraction >= ROOFLINE for fraction in fractions)
    found = (
        f"{mean:.0%} (median {quantile(fractions, 0.5):.0%}; {reached} of {len(fractions)} reach {ROOFLINE:.0%}; "
        f"{bounded - len(fractions)} more have none)"
    )
    return Bar(what, wanted, found, mean >= ROOFLINE)
