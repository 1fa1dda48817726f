"""Interleaved timing: who is called when, and what the samples say.

In every block each contender is called a few times in random order, on the block's input set, from fresh
copies and cold caches. Contenders wait in their own processes meanwhile. OpenMP's default wait policy stays in
force, as it would for a user: a pool that spins after its call has come to rest before the next timed one,
because copying inputs and evicting caches (on one thread) takes longer, and ``SETTLE_S`` at least.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from tools.contender import Call
from tools.intervals import Interval, block_ratios, quantiles, ratio_interval
from tools.verdict import CaseVerdict, Timing

SETTLE_S = 0.012
"""Pause between one contender's call and the next one's: longer than libgomp spins."""
SHORT_CALL_S = 50e-6
REPEATED_S = 500e-6
"""A call shorter than ``SHORT_CALL_S`` is repeated until this long, on as many copies."""
MAX_REPETITIONS = 64
MIN_BLOCKS = 6
CASE_BUDGET_S = 15.0
"""Time for one case; calls, then blocks, are given up to keep to it, down to one call and ``MIN_BLOCKS``."""
CALLS = 3
"""Calls of each contender a block: the median of three forgets one that a neighbour disturbed."""
WARM_UP_ROUNDS = 4
"""Calls of each contender before the first block whose times are not kept: until then its heap grows, and with it
page faults.
"""
SLOW_BASELINE = 1.5
BLOCKS_BEFORE_DROPPING = 3
BUFFERS = 2
"""Copies go to one of so many places in turn, by lot."""
CLOCK_SLACK_S = 300e-6
CLOCK_SLACK_SHARE = 0.10
SHORTEST_CALL_S = 100e-9
"""No Python call returns sooner."""

CANDIDATE = "candidate"
TWIN = "twin"
"""The best baseline called again under another name: what difference does no difference make?"""


class Timed(Protocol):
    """What is measured; ``tools.contender.Contender`` is one."""

    def arrange(self, slot: str, buffers: Sequence[str], *, flush: bool) -> None:
        """Fresh copies, cold caches."""

    def go(self) -> Call:
        """One call on each copy."""


@dataclass(frozen=True)
class Plan:
    """How much is measured for one case."""

    blocks: int
    calls: int
    """Calls of each contender a block."""
    repetitions: int
    """Copies called in one go, for calls shorter than the clocks are sharp."""
    slots: tuple[str, ...]
    """Input sets to choose from."""
    budget_s: float = CASE_BUDGET_S
    """No block is begun after this long, once ``MIN_BLOCKS`` are done."""
    warm_up: int = WARM_UP_ROUNDS
    """Calls of each contender before the first block."""


@dataclass
class Series:
    """Samples of one case: by contender, by block, seconds a call."""

    best: str
    """The baseline that was called as its own twin."""
    claimed: dict[str, list[list[float]]] = field(default_factory=dict)
    gaps: dict[str, list[float]] = field(default_factory=dict)
    """How much longer the controller's clock ran than the worker's, a go."""

    def samples(self, name: str) -> list[float]:
        """All samples of a contender."""
        return [sample for block in self.claimed[name] for sample in block]

    def timing(self, name: str) -> Timing:
        """Summary of a contender."""
        samples = self.samples(name)
        middle, low, high = quantiles(samples)
        return Timing(median_s=middle, p5_s=low, p95_s=high, samples=len(samples))


def plan_for(
    estimate_s: float,
    overhead_s: float,
    contenders: int,
    blocks: int,
    slots: Sequence[str],
    budget_s: float = CASE_BUDGET_S,
) -> Plan:
    """Fit a case into its budget. ``overhead_s``: preparing one call; ``estimate_s``: the call itself."""
    repetitions = 1
    if estimate_s < SHORT_CALL_S:
        repetitions = min(MAX_REPETITIONS, math.ceil(REPEATED_S / max(estimate_s, 1e-6)))
    round_s = contenders * (max(overhead_s, SETTLE_S) + estimate_s * repetitions)
    calls = CALLS
    if calls * round_s * blocks > budget_s:
        calls = 2
    if calls * round_s * blocks > budget_s:
        blocks = max(MIN_BLOCKS, min(blocks, int(budget_s / (calls * round_s))))
    if calls * round_s * blocks > budget_s:
        calls = 1
    warm_up = WARM_UP_ROUNDS if WARM_UP_ROUNDS * round_s <= budget_s / 4 else BUFFERS
    return Plan(blocks, calls, repetitions, tuple(slots), budget_s, warm_up)


def measure(
    contenders: Mapping[str, Timed],
    plan: Plan,
    lot: random.Random,
    best: str,
    *,
    after_call: Callable[[str, str], None] = lambda name, slot: None,
    notice: Callable[[str], None] = lambda text: None,
) -> Series:
    """Time all contenders; ``best`` is also called as its own twin. ``after_call`` gets a name and a slot."""
    who = {**dict.fromkeys(contenders), TWIN: None}
    series = Series(best, {name: [] for name in who}, {name: [] for name in who})
    dropped: set[str] = set()
    rested = time.perf_counter()
    for name, number in itertools.product(contenders, range(plan.warm_up)):
        # Every buffer is made now: one made later would take the memory that an output had, between two calls.
        _call(contenders[name], lot.choice(plan.slots), plan, number % BUFFERS, rested)
        rested = time.perf_counter()
    begun = rested
    for block in range(plan.blocks):
        if block >= MIN_BLOCKS and time.perf_counter() - begun > plan.budget_s:
            break
        notice(f"timing {block + 1}/{plan.blocks}")
        slot = lot.choice(plan.slots)
        order = [name for name in who if name not in dropped for _ in range(plan.calls)]
        lot.shuffle(order)
        for name in who:
            series.claimed[name].append([])
        for name in order:
            contender = contenders[best if name == TWIN else name]
            rested = _time_once(contender, name, slot, plan, lot, series, rested)
            after_call(name, slot)
        if block + 1 == BLOCKS_BEFORE_DROPPING:
            dropped = _slow_ones(series, best)
    return series


def _time_once(
    contender: Timed, name: str, slot: str, plan: Plan, lot: random.Random, series: Series, rested: float
) -> float:
    call = _call(contender, slot, plan, lot.randrange(BUFFERS), rested)
    series.claimed[name][-1].append(call.claimed_s)
    series.gaps[name].append((call.window_s - call.claimed_s) * plan.repetitions)
    return time.perf_counter()


def _call(contender: Timed, slot: str, plan: Plan, first: int, rested: float) -> Call:
    contender.arrange(slot, [str(first + index) for index in range(plan.repetitions)], flush=True)
    time.sleep(max(0.0, rested + SETTLE_S - time.perf_counter()))
    return contender.go()


def _slow_ones(series: Series, best: str) -> set[str]:
    """Baselines not worth more time: they are reported from what was measured."""
    middles = {name: median(series.samples(name)) for name in series.claimed}
    fastest = min(value for name, value in middles.items() if name != CANDIDATE)
    keep = {CANDIDATE, TWIN, best}
    return {name for name, value in middles.items() if name not in keep and value > SLOW_BASELINE * fastest}


def clock_disagreement(series: Series, plan: Plan) -> str | None:
    """One line if the candidate's clock runs slower than ours allows; medians, so that noise never trips it."""
    claims = median(series.samples(CANDIDATE)) * plan.repetitions
    gap = median(series.gaps[CANDIDATE])
    usual = min(median(gaps) for name, gaps in series.gaps.items() if name != CANDIDATE and gaps)
    allowed = 2 * usual + CLOCK_SLACK_S + CLOCK_SLACK_SHARE * claims
    if min(series.samples(CANDIDATE)) < SHORTEST_CALL_S:
        return f"its own clock says that a call took less than {SHORTEST_CALL_S * 1e9:g} ns"
    if gap <= allowed:
        return None
    return (
        f"its own clock says {claims * 1e3:.3g} ms, ours {(claims + gap) * 1e3:.3g} ms; "
        f"{allowed * 1e3:.2g} ms of difference can be explained"
    )


@dataclass(frozen=True)
class CaseRatios:
    """Per-block log ratios of one case, for the interval over all cases."""

    verdict: CaseVerdict
    speedups: list[float]
    twins: list[float]


def summarise(name: str, series: Series, seed: int) -> CaseRatios:
    """The candidate against the baseline with the lowest median, block by block."""
    baselines = {key: series.timing(key) for key in series.claimed if key not in (CANDIDATE, TWIN)}
    best = min(baselines, key=lambda key: baselines[key].median_s)
    speedups = block_ratios(series.claimed[best], series.claimed[CANDIDATE])
    twins = block_ratios(series.claimed[series.best], series.claimed[TWIN])
    interval, aa = ratio_interval([speedups], seed).for_judgements(), ratio_interval([twins], seed)
    verdict = CaseVerdict(
        name=name,
        speedup=interval.value,
        speedup_ci95=(interval.low, interval.high),
        candidate=series.timing(CANDIDATE),
        baselines=baselines,
        aa_spread=aa.spread,
    )
    return CaseRatios(verdict, speedups, twins)


def overall(cases: Sequence[CaseRatios], seed: int) -> tuple[Interval, float]:
    """Geometric mean over the cases with its interval, and the same statistic of the twins."""
    speedups = ratio_interval([case.speedups for case in cases], seed).for_judgements()
    return speedups, ratio_interval([case.twins for case in cases], seed).spread
