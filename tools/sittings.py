"""Close calls: a candidate is measured again and again with fresh processes, until it is known which side it is on.

All rounds of one sitting share their processes, and with them what no round can tell: where code and data came to
lie, what malloc did. Each further sitting has another process of the candidate and another of the best baseline, so
the spread from sitting to sitting holds all of that, and the interval of their mean (Student's t) needs nothing that
was measured elsewhere. For a gain of 3 % against a bar of 2 % it takes six to thirty of them (decision 010).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import fmean

from tools.benchmarking import CaseRatios
from tools.intervals import CONFIDENCE, Interval, mean_interval, ratio_interval, verdict_on
from tools.verdict import CaseVerdict

MIN_SITTINGS = 6
"""From so many on the interval rests on their spread alone."""
MAX_SITTINGS = 32
LOOK_CONFIDENCE = 0.99
"""For ending early: whoever looks at every sitting sees a chance result sooner or later."""
SHORTEST_SITTING_S = 4.0
"""Two processes import torch; nothing is begun that could not come to ``MIN_SITTINGS``."""
HOPELESS = 0.985
"""One sitting at or below it: further ones would find nothing faster."""

Sitting = Sequence[CaseRatios]


def settle(
    first: Sitting, sit: Callable[[], Sitting], seed: int, budget_s: float, clock: Callable[[], float] = time.monotonic
) -> list[Sitting]:
    """``first`` and as many more as it takes to say *faster* or *not faster*, while ``budget_s`` lasts.

    No more if the first is clear, if it is hopeless, or if there is no time for ``MIN_SITTINGS``.
    """
    sittings = [first]
    interval, spread = combined(sittings, seed)
    undecided = verdict_on(interval, spread) is None and interval.value > HOPELESS
    if not undecided or budget_s < MIN_SITTINGS * SHORTEST_SITTING_S:
        return sittings
    began = clock()
    while len(sittings) < MAX_SITTINGS:
        taken_s = clock() - began
        # None begins that would not be done in time, as far as the others tell.
        if taken_s + taken_s / max(1, len(sittings) - 1) >= budget_s:
            break
        sittings.append(sit())
        if len(sittings) >= MIN_SITTINGS:
            look, spread = combined(sittings, seed, LOOK_CONFIDENCE)
            if verdict_on(look, spread) is not None:
                break
    return sittings


def combined(sittings: Sequence[Sitting], seed: int, confidence: float = CONFIDENCE) -> tuple[Interval, float]:
    """Geometric mean over cases and sittings with its interval, and how far the best baseline is from itself."""
    cases = list(zip(*sittings, strict=True))
    values = [fmean(case.value for case in sitting) for sitting in sittings]
    twins = [[ratio for case in group for ratio in case.twins] for group in cases]
    return _interval(values, cases, seed, confidence), ratio_interval(twins, seed).spread


def pool(sittings: Sequence[CaseRatios], seed: int) -> CaseVerdict:
    """One case of all sittings. How long its contenders took is what the first one said."""
    first = sittings[0].verdict
    if len(sittings) == 1:
        return first
    (interval, spread) = combined([[case] for case in sittings], seed)
    ends = (interval.low, interval.high)
    return first.model_copy(update={"speedup": interval.value, "speedup_ci95": ends, "aa_spread": spread})


def _interval(values: Sequence[float], cases: Sequence[Sequence[CaseRatios]], seed: int, confidence: float) -> Interval:
    """``values``: logs by sitting; they tell nothing of each other while they are few, and the rounds have to."""
    if len(values) >= MIN_SITTINGS:
        return mean_interval(values, confidence)
    rounds = [[ratio for case in group for ratio in case.speedups] for group in cases]
    return ratio_interval(rounds, seed).for_judgements(len(values), cases[0][0].repeatability)
