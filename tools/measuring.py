"""Measurements that are no verdicts: of the baselines before the search, and of settings while a program is tuned.

A quick measurement of a candidate screens, builds, compares with the oracle on ordinary inputs, and times a few blocks
beside the best baseline alone. It ranks settings of one program. It is not believed: who ranks many and takes the best
takes the luckiest too, and unusual inputs were not tried. What is chosen is judged like any other candidate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from statistics import geometric_mean

from tools.benchmarking import MIN_BLOCKS, a_lot, measure, plan_for
from tools.contender import Contender
from tools.crew import Crew
from tools.inputs import InputSet
from tools.judge import Notice
from tools.reserving import reserve
from tools.trial import Trial
from tools.verdict import Measurement, Timing

BASELINE_BLOCKS = 6
QUICK_SEEDS = 2
QUICK_BUDGET_S = 1.5
"""For one case; no fewer than ``MIN_BLOCKS`` blocks."""


def time_baselines(
    crew: Crew, settle: Callable[[], None], memory_bytes: int, notice: Notice
) -> dict[str, dict[str, Timing]]:
    """Baseline name to case name to timing. ``settle``: waits until nothing else is starting."""
    settle()
    contenders = crew.baselines(notice)
    found: dict[str, dict[str, Timing]] = {name: {} for name in contenders}
    for case in crew.cases:
        form = crew.draw(case, 1)[0]
        warmed, best = crew.warmed[case], crew.best_guess(case)
        times = warmed[best].seconds, warmed[best].overhead_s
        plan = plan_for(*times, len(contenders) + 1, BASELINE_BLOCKS, crew.calls_of_a_window(form, memory_bytes))
        reserve([*contenders.values()], form, plan.calls, memory_bytes)
        draw = partial(crew.oracle.draw, case, plan.calls)
        series = measure(contenders, plan, a_lot(), best, draw, flush=crew.flush, notice=notice)
        for name, contender in contenders.items():
            found[name][case] = series.timing(name)
            contender.forget()
        for name, timing in crew.slower_on(case).items():
            found.setdefault(name, {})[case] = timing
    return found


def measure_candidate(
    crew: Crew,
    candidate: Contender,
    drawn: dict[str, list[InputSet]],
    statistics_seed: int,
    notice: Notice,
    memory_bytes: int,
    floors_s: Mapping[str, float],
) -> Measurement:
    """Check and time it, case by case. Raises Rejected or JudgeUnavailable."""
    about = (crew, candidate, QUICK_SEEDS, MIN_BLOCKS, QUICK_BUDGET_S, statistics_seed, notice, memory_bytes)
    results = Trial(*about, (), floors_s, only_best=True).run(drawn)
    return Measurement(
        speedup=math.exp(sum(result.value for result in results) / len(results)),
        cases={result.verdict.name: result.verdict.candidate.median_s for result in results},
        baseline_s=geometric_mean([result.verdict.baselines[result.best].median_s for result in results]),
    )
