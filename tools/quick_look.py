"""Quick looks at a draft's speed, as a model is told of them: whether the machine was quiet belongs to what is told.

The baseline of the same windows was timed with nothing else to do when the run began. Where it takes another time now,
so does the draft, and not by the same factor: a file was told as 1.36x, 1.39x, 2.72x and 2.90x
(docs/results/2026-11-29-played-reasoner.md).
"""

from __future__ import annotations

from tools.problem_text import one_line
from tools.verdict import Measurement

LOOKS = 3
"""At most, where the machine is busy."""
DISTURBED = 1.15
"""Times as long or as short as recorded, a baseline's time says that it is."""


def drift_of(look: Measurement, recorded_s: float | None) -> float:
    """How many times as long, or as short, the best baseline took as when it was recorded; 1 where nobody knows."""
    if not look.baseline_s or not recorded_s:
        return 1.0
    return max(look.baseline_s / recorded_s, recorded_s / look.baseline_s)


def look_text(candidate: str, look: Measurement, recorded_s: float | None) -> str:
    """What is told of one."""
    cases = ", ".join(f"{one_line(name)} {seconds:.3g} s" for name, seconds in look.cases.items())
    told = (
        f"candidate {candidate}: about {look.speedup or 0.0:.2f}x over the best baseline in the same windows "
        f"({cases} a call"
    )
    if look.baseline_s and recorded_s:
        told += f"; the baseline {look.baseline_s:.3g} s there, {recorded_s:.3g} s when it was recorded"
    if drift_of(look, recorded_s) > DISTURBED:
        return f"{told}). The machine is busy with other work: choose nothing by this; only a verdict counts"
    return f"{told}). A quick look, good for choosing between drafts: only a verdict, after submit, counts"
