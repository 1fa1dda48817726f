"""Interleaved timing: who is called when, and what the samples say.

A window is one or more calls in a row of one contender. The clock is the controller's: it starts before the worker
can run and so before any code of a candidate can see the inputs, which are new in every window, and it ends when the
worker has said that it is done and has been seen to stand still; its memory is then searched for the answers. What a
window takes besides the calls (waking up, one message each way, stopping) is measured with the baselines, whose own
clocks can be trusted, and taken off for all contenders alike.

In every block each contender has a few windows in random order, with cold caches. All others are held meanwhile.
Between them, where nobody expects it, the candidate is looked at in windows that are not timed.
"""

from __future__ import annotations

import itertools
import math
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, median_low
from typing import Protocol

from tools.contender import Call
from tools.harness.wire import MAX_CALLS
from tools.inputs import Draw
from tools.intervals import REPEATABILITY, quantiles, quartiles, ratio_interval, window_ratios
from tools.readiness import told_s
from tools.verdict import CaseVerdict, Timing

WINDOW_S = 8e-3
"""A window has as many calls as take this long: what cannot be told apart from waking up is then small."""
HANDLED_BYTES_S = 400e6
"""Of inputs and outputs, in a round of four contenders: roughly what a 2-core virtual machine took with tensors of
4 MiB on 2026-11-28. A plan need not know better.
"""
FASTEST = 20.0
"""A candidate that is quicker than the baseline by more than this is measured in shorter windows."""
SPARED_S = 160e-6
"""By estimate, not measured: so much of what is taken off a window a candidate could have spared itself with a harness
of its own, or worked on between its answer and the stop. It is 2 % of ``WINDOW_S``, no more than the least gain that
is ever told.
"""
SHORT_WINDOW_S = 0.75 * WINDOW_S
"""Of what took less besides, so much is not taken off: then it is not little any more."""
MIN_BLOCKS = 6
CASE_BUDGET_S = 15.0
"""Time for one case; windows, then blocks, are given up to keep to it, down to one window and ``MIN_BLOCKS``."""
WINDOWS = 3
"""Windows of each contender a block, each in a round of its own."""
WARM_UP_ROUNDS = 4
"""Windows of each contender before the first block whose times are not kept: until then its heap grows, and with it
page faults.
"""
SLOW_BASELINE = 1.5
BLOCKS_BEFORE_DROPPING = 3
CLOCK_SLACK_S = 150e-6
"""Of a window: what waking up may take longer for one contender than for another."""
CLOCK_SLACK_SHARE = 0.10
FEW_WINDOWS = 12
"""With fewer, quartiles are two or three windows, which one interruption each decides: all of them count."""
ALONE_S, ALONE_SHARE = 50e-6, 0.05
"""By so much, of it a share of the baseline's call, a call may take longer by itself than among others, next to the
baseline: by estimate, what waking up differs by. The standard error comes on top.
"""
DEFERRED_S = 400e-6
"""A twentieth of ``WINDOW_S``: so much longer than a baseline a candidate may take to get ready for a window, above
all to drop what it answered before. Ten honest programs took up to 0.25 ms longer (2-core virtual machine, 2026-11-28).
"""
LATE_WINDOWS = 4
"""Getting ready once counts for no more than so many of the baseline's windows: longer is what the machine takes."""
SHORTEST_CALL_S = 100e-9
"""No Python call returns sooner."""

CANDIDATE = "candidate"
TWIN = "twin"
"""The best baseline called again under another name: what difference does no difference make?"""
_ASIDE = "aside"


class Timed(Protocol):
    """What is measured; ``tools.contender.Contender`` is one."""

    def lay(self, sets: Sequence[Draw], *, again: bool = False, recorded: bool = False) -> None:
        """Prepare a window, perhaps at the addresses of the last one; the contender is held then. ``recorded``: what it
        asks of a device is recorded now.
        """

    def go(self) -> Call:
        """Have it."""


@dataclass(frozen=True)
class Plan:
    """How much is measured for one case."""

    blocks: int
    windows: int
    """Windows of each contender a block."""
    calls: int
    """Calls in a window."""
    budget_s: float = CASE_BUDGET_S
    """No block is begun after this long, once ``MIN_BLOCKS`` are done."""
    warm_up: int = WARM_UP_ROUNDS
    """Windows of each contender before the first block."""


@dataclass
class Series:
    """What was measured for one case: by contender, by block, seconds a window."""

    best: str
    """The baseline that was called as its own twin."""
    calls: int
    windows: dict[str, list[list[float]]] = field(default_factory=dict)
    claims: dict[str, list[float]] = field(default_factory=dict)
    """What the workers' own clocks said, a window."""
    waits: dict[str, list[float]] = field(default_factory=dict)
    """How much longer the controller waited for the answer than that, a window."""

    looks: dict[str, list[float]] = field(default_factory=dict)
    """What looking took, a window."""
    deferral_s: float = DEFERRED_S
    """From so much on, what a candidate takes longer than a baseline to get ready is told."""
    lays: dict[str, list[float]] = field(default_factory=dict)
    """What getting ready for it took, a window."""
    alone_slack_s: float = ALONE_S
    """By so much a call may take longer by itself than among others, next to the baseline."""
    alone_errors: float = 1.0
    """And by so many standard errors of that difference."""
    repeatability: float = REPEATABILITY
    """Of judgements on what this was measured on."""
    alone: list[tuple[Call, Call]] = field(default_factory=list)
    """Windows of one call, of the candidate and of ``best``, a round; none where all windows are such."""

    def overhead_s(self, name: str = "") -> float:
        """What a window takes besides its calls, as the baselines tell.

        A candidate with fewer threads is looked at more quickly, and gets no more taken off than that; one with more
        pays for them, because it might work until the last of them is seen still.
        """
        trusted = [one for one in self.claims if one != CANDIDATE]
        overhead = median(gap for one in trusted for gap in self.gaps(one))
        if name == CANDIDATE and self.looks.get(name):
            theirs = median(look for one in trusted for look in self.looks[one])
            overhead -= max(0.0, theirs - median(self.looks[name]))
        return max(0.0, overhead)

    def longest_s(self, name: str) -> float:
        """A call, if its windows took no more besides than the least that any of the baselines' did: on a machine that
        is busy with other work the others say too much.
        """
        least = min(gap for one in self.claims if one != CANDIDATE for gap in self.gaps(one))
        return (median(itertools.chain(*self.windows[name])) - max(0.0, least)) / self.calls

    def gaps(self, name: str) -> list[float]:
        """How much longer the controller's clock ran than the worker's, a window."""
        wholes = itertools.chain(*self.windows[name])
        return [whole - claim for whole, claim in zip(wholes, self.claims[name], strict=True)]

    def blocks(self, name: str) -> list[list[float]]:
        """Seconds a call, by block."""
        overhead = self.overhead_s(name)
        if name == CANDIDATE and median(itertools.chain(*self.windows[name])) - overhead < SHORT_WINDOW_S:
            overhead = max(0.0, overhead - SPARED_S)
        if name == CANDIDATE:
            overhead -= self.deferred_s
        share = (self.lengthened if name == CANDIDATE else 1.0) / self.calls
        # A window can come out as nothing but overhead; its logarithm is wanted all the same.
        return [[max(one - overhead, one / 50) * share for one in block] for block in self.windows[name]]

    @property
    def deferred_s(self) -> float:
        """How much longer than a baseline the candidate takes to get ready for a window; 0 where that is little.

        Its code runs there, off the clock: what it left for when its answers are dropped belongs to its calls. As it
        may be left for the window of one call too, that counts along.
        """
        trusted = [lays for name, lays in self.lays.items() if name != CANDIDATE and lays]
        usual = median_low(map(median, trusted)) + self.deferral_s
        groups = [(self.lays[CANDIDATE], [lay for lays in trusted if median(lays) <= usual for lay in lays])]
        if self.alone:
            groups.append(([ours.laid_s for ours, _ in self.alone], [theirs.laid_s for _, theirs in self.alone]))
        return told_s(groups, self.deferral_s, LATE_WINDOWS * median(itertools.chain(*self.windows[self.best])))

    @property
    def lengthened(self) -> float:
        """How many times longer a call of the candidate takes by itself than among others; 1 where that is little.

        All inputs of a window are there when its clock starts. Who works on them together, or keeps tables warm from
        one call to the next, is told by what a call takes alone, next to the baseline alone.
        """
        if not self.alone:
            return 1.0
        longer = [ours.window_s - theirs.window_s for ours, theirs in self.alone]
        middle = median(longer)
        # Of the median: by the median distance from it, as of normal numbers.
        error = 1.2533 * 1.4826 * median(abs(one - middle) for one in longer) / math.sqrt(len(longer))
        among, baseline = (
            (median(itertools.chain(*self.windows[name])) - self.overhead_s(name)) / self.calls
            for name in (CANDIDATE, self.best)
        )
        alone_s = max(median(theirs.window_s for _, theirs in self.alone) - self.overhead_s(self.best), baseline)
        by_itself = baseline * (1 + middle / alone_s)  # as much longer as the candidate takes alone than the baseline
        if among <= 0 or by_itself - among <= self.alone_slack_s + ALONE_SHARE * baseline + self.alone_errors * error:
            return 1.0
        return float(by_itself / among)

    def samples(self, name: str) -> list[float]:
        """Seconds a call, all samples of a contender."""
        return [sample for block in self.blocks(name) for sample in block]

    def timing(self, name: str) -> Timing:
        """Summary of a contender."""
        samples = self.samples(name)
        middle, low, high = quantiles(samples)
        return Timing(median_s=middle, p5_s=low, p95_s=high, samples=len(samples))


def a_lot() -> random.Random:
    """A generator that nobody can foresee."""
    return random.Random(secrets.randbits(64))  # noqa: S311 - seeded from the operating system's entropy


def plan_for(
    estimate_s: float,
    overhead_s: float,
    contenders: int,
    blocks: int,
    fitting: int = MAX_CALLS,
    budget_s: float = CASE_BUDGET_S,
    fastest_s: float = math.inf,
    call_bytes: int = 0,
    windows: int = WINDOWS,
) -> Plan:
    """Fit a case into its budget.

    ``overhead_s``: preparing one window; ``estimate_s``: one call of a baseline, ``fastest_s``: of the candidate;
    ``fitting``: calls that a window can hold; ``call_bytes``: what is drawn, placed, read and compared for one.
    """
    shortest_s = max(min(estimate_s, max(fastest_s, estimate_s / FASTEST)), 1e-6)
    calls = max(1, min(fitting, MAX_CALLS, math.ceil(WINDOW_S / shortest_s)))
    prepared = contenders + 2 * (calls > 1)  # two more for a call by itself
    round_s = prepared * overhead_s + contenders * estimate_s * calls + calls * call_bytes / HANDLED_BYTES_S
    if windows > 1 and windows * round_s * blocks > budget_s:
        windows -= 1
    if windows * round_s * blocks > budget_s:
        blocks = max(MIN_BLOCKS, min(blocks, int(budget_s / (windows * round_s))))
    if windows * round_s * blocks > budget_s:
        windows = 1
    warm_up = WARM_UP_ROUNDS if WARM_UP_ROUNDS * round_s <= budget_s / 4 else 2
    return Plan(blocks, windows, calls, budget_s, warm_up)


def measure(
    contenders: Mapping[str, Timed],
    plan: Plan,
    lot: random.Random,
    best: str,
    draw: Callable[[], Sequence[Draw]],
    *,
    flush: Callable[[], None] = lambda: None,
    after_window: Callable[[str], None] = lambda name: None,
    aside: Callable[[], None] = lambda: None,
    alone: Callable[[], tuple[Call, Call]] | None = None,
    notice: Callable[[str], None] = lambda text: None,
    side_by_side: bool = False,
) -> Series:
    """Time all contenders; ``best`` is also called as its own twin.

    ``draw`` gives the new inputs of one round of windows, ``flush`` makes caches cold, ``after_window`` gets a name
    while that contender is held, ``aside`` is called once a round, anywhere between the windows, and ``alone`` once a
    round of windows of several calls: a window of one call, of the candidate and of ``best``. ``side_by_side``: those
    two come one after the other, in either order: their answers last until their own next windows only.
    """
    who = {**dict.fromkeys(contenders), TWIN: None}
    series = Series(best, plan.calls)
    for table in (series.windows, series.claims, series.waits, series.looks, series.lays):
        table.update((name, []) for name in who)
    dropped: set[str] = set()
    for _ in range(plan.warm_up):
        sets = draw()
        for contender in contenders.values():
            contender.lay(sets)
            contender.go()
    begun = time.perf_counter()
    for block in range(plan.blocks):
        if block >= MIN_BLOCKS and time.perf_counter() - begun > plan.budget_s:
            break
        notice(f"timing {block + 1}/{plan.blocks}")
        for name in who:
            series.windows[name].append([])
        for _ in range(plan.windows):
            if alone is not None and plan.calls > 1:
                series.alone.append(alone())
            sets = draw()
            for name in _order([name for name in (*who, _ASIDE) if name not in dropped], best, lot, side_by_side):
                if name == _ASIDE:
                    aside()
                    continue
                contender = contenders[best if name == TWIN else name]
                contender.lay(sets, again=lot.random() < 0.5)
                flush()
                call = contender.go()
                series.windows[name][-1].append(call.window_s)
                series.claims[name].append(call.claimed_s)
                series.waits[name].append(call.answered_s - call.claimed_s)
                series.looks[name].append(call.looking_s)
                series.lays[name].append(call.laid_s)
                after_window(name)
        if block + 1 == BLOCKS_BEFORE_DROPPING:
            dropped = _slow_ones(series, best)
    return series


def _order(names: list[str], best: str, lot: random.Random, side_by_side: bool) -> list[str]:
    """By lot."""
    if not side_by_side or CANDIDATE not in names:
        return lot.sample(names, len(names))
    pair = lot.sample([CANDIDATE, best], 2)
    rest = [name for name in names if name not in pair]
    place = lot.randrange(len(rest) + 1)
    rest = lot.sample(rest, len(rest))
    return [*rest[:place], *pair, *rest[place:]]


def _slow_ones(series: Series, best: str) -> set[str]:
    """Baselines not worth more time: they are reported from what was measured."""
    middles = {name: median(series.samples(name)) for name in series.windows}
    fastest = min(value for name, value in middles.items() if name != CANDIDATE)
    keep = {CANDIDATE, TWIN, best}
    return {name for name, value in middles.items() if name not in keep and value > SLOW_BASELINE * fastest}


def clock_disagreement(series: Series) -> str | None:
    """One line if the candidate's own clock says less than ours, beyond what waking up explains.

    No verdict uses a candidate's clock: one that lies gains nothing, but is a reason not to trust the rest. Nearly all
    of its waits have to be longer than nearly all of the baselines', so that a busy machine never trips it. Stopping is
    left out: threads that wait for work by spinning are slow to stop.
    """
    claimed = median(series.claims[CANDIDATE])
    ours = median(itertools.chain(*series.windows[CANDIDATE]))
    if min(series.claims[CANDIDATE]) < SHORTEST_CALL_S * series.calls:
        return f"its own clock says that a call took less than {SHORTEST_CALL_S * 1e9:g} ns"
    theirs = [wait for name, waits in series.waits.items() if name != CANDIDATE for wait in waits]
    few = len(series.waits[CANDIDATE]) < FEW_WINDOWS
    small = min(series.waits[CANDIDATE]) if few else quartiles(series.waits[CANDIDATE])[0]
    large = max(theirs) if few else quartiles(theirs)[1]
    if small <= large + CLOCK_SLACK_S + CLOCK_SLACK_SHARE * ours:
        return None
    return (
        f"its own clock says {claimed * 1e3:.3g} ms for {series.calls} calls, ours {ours * 1e3:.3g} ms; "
        f"{large * 1e3:.2g} ms of difference can be explained"
    )


@dataclass(frozen=True)
class CaseRatios:
    """Log ratios of one case, one a round, for the interval over all cases."""

    verdict: CaseVerdict
    speedups: list[float]
    twins: list[float]
    best: str
    """The baseline that the candidate is compared with."""
    repeatability: float = REPEATABILITY
    """See ``Series``."""

    @property
    def value(self) -> float:
        """Log of the speed-up."""
        return median(self.speedups)


def summarise(name: str, series: Series, seed: int, slower: Mapping[str, Timing] | None = None) -> CaseRatios:
    """The candidate against the baseline with the lowest median, round by round. ``slower``: of baselines that were not
    timed beside it.
    """
    baselines = {key: series.timing(key) for key in series.windows if key not in (CANDIDATE, TWIN)}
    # One that was dropped early met other moments of the machine than the candidate.
    whole = [key for key in baselines if len(series.claims[key]) >= len(series.claims[CANDIDATE])]
    best = min(whole, key=lambda key: baselines[key].median_s)
    speedups = window_ratios(series.blocks(best), series.blocks(CANDIDATE))
    twins = window_ratios(series.blocks(series.best), series.blocks(TWIN))
    interval, aa = ratio_interval([speedups], seed), ratio_interval([twins], seed)
    interval = interval.for_judgements(repeatability=series.repeatability)
    verdict = CaseVerdict(
        name=name,
        speedup=interval.value,
        speedup_ci95=(interval.low, interval.high),
        candidate=series.timing(CANDIDATE),
        baselines={**baselines, **(slower or {})},
        aa_spread=aa.spread,
        lengthened=series.lengthened,
        deferred_s=series.deferred_s,
    )
    return CaseRatios(verdict, speedups, twins, best, series.repeatability)
