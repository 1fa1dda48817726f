import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tools.benchmarking import (
    CALLS,
    CANDIDATE,
    MAX_REPETITIONS,
    MIN_BLOCKS,
    SETTLE_S,
    TWIN,
    WARM_UP_ROUNDS,
    CaseRatios,
    Plan,
    Series,
    clock_disagreement,
    measure,
    overall,
    plan_for,
    summarise,
)
from tools.contender import Call

PLAN = Plan(blocks=8, calls=2, repetitions=1, slots=("0", "1", "2"))


@dataclass
class Scripted:
    """Takes a stated time, with some noise; never sleeps."""

    seconds: float
    claim: float = 1.0
    log: list[tuple[str, tuple[str, ...], bool]] = field(default_factory=list)
    lot: random.Random = field(default_factory=lambda: random.Random(3))

    def arrange(self, slot, buffers, *, flush):
        self.log.append((slot, tuple(buffers), flush))

    def go(self):
        true = self.seconds * self.lot.uniform(0.99, 1.01)
        return Call(true * self.claim, true + 1e-4)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr("tools.benchmarking.SETTLE_S", 0.0)


def run(plan=PLAN, **seconds: float):
    contenders = {name.replace("_", "."): Scripted(value) for name, value in seconds.items()}
    return contenders, measure(contenders, plan, random.Random(1), "eager")


def test_everybody_is_called_as_often_on_the_blocks_own_set():
    contenders, series = run(candidate=1e-3, eager=2e-3)
    assert [len(block) for block in series.claimed[CANDIDATE]] == [2] * 8
    assert [len(block) for block in series.claimed[TWIN]] == [2] * 8
    slots = [slot for slot, _, _ in contenders[CANDIDATE].log][WARM_UP_ROUNDS:]
    assert Counter(slots) == Counter(slots[::2] * 2)
    assert len(contenders["eager"].log) == 32 + WARM_UP_ROUNDS
    assert all(flush for _, _, flush in contenders["eager"].log)


@pytest.mark.parametrize("seed", range(8))
def test_every_buffer_is_there_before_anything_is_timed(seed):
    contenders = {CANDIDATE: Scripted(1e-3), "eager": Scripted(1e-3)}
    measure(contenders, PLAN, random.Random(seed), "eager")
    for contender in contenders.values():
        warm = {buffer for _, buffers, _ in contender.log[:WARM_UP_ROUNDS] for buffer in buffers}
        assert warm == {buffer for _, buffers, _ in contender.log for buffer in buffers}


def test_the_order_is_by_lot():
    calls: list[str] = []
    contenders = {CANDIDATE: Scripted(1e-3), "eager": Scripted(1e-3)}
    measure(contenders, PLAN, random.Random(2), "eager", after_call=lambda name, slot: calls.append(name))
    assert len({tuple(calls[i : i + 6]) for i in range(0, len(calls), 6)}) > 3


def test_a_slow_baseline_is_dropped_and_still_reported():
    _, series = run(candidate=1e-3, eager=2e-3, slow=9e-3)
    assert len(series.samples("slow")) == 6
    assert len(series.samples("eager")) == 16
    case = summarise("default", series, 0).verdict
    assert case.baselines["slow"].median_s == pytest.approx(9e-3, rel=0.02)


def test_the_ratio_is_to_the_fastest_baseline():
    _, series = run(candidate=1e-3, eager=4e-3, other=3e-3)
    case = summarise("default", series, 0).verdict
    assert case.speedup == pytest.approx(3.0, rel=0.02)
    assert case.speedup_ci95[0] <= case.speedup <= case.speedup_ci95[1]
    assert case.aa_spread < 0.02


def test_cases_are_averaged_geometrically():
    cases = [summarise(name, run(candidate=1e-3, eager=slow)[1], 0) for name, slow in (("a", 4e-3), ("b", 1e-3))]
    interval, spread = overall(cases, 0)
    assert interval.value == pytest.approx(2.0, rel=0.02)
    assert spread < 0.02
    assert isinstance(cases[0], CaseRatios)


def test_short_calls_are_repeated_on_copies_of_their_own():
    plan = plan_for(2e-6, 1e-3, 4, 12, ("0",))
    assert plan.repetitions == MAX_REPETITIONS
    contenders, _ = run(plan, candidate=2e-6, eager=2e-6)
    _, buffers, _ = contenders[CANDIDATE].log[0]
    assert len(set(buffers)) == MAX_REPETITIONS


def test_a_long_call_is_measured_less_often_but_often_enough():
    assert plan_for(5e-3, 15e-3, 4, 12, ("0",)) == Plan(12, CALLS, 1, ("0",))
    assert plan_for(50e-3, 80e-3, 4, 12, ("0",)) == Plan(12, 2, 1, ("0",))
    slow = plan_for(1.0, 0.1, 4, 12, ("0",))
    assert (slow.blocks, slow.calls, slow.repetitions) == (MIN_BLOCKS, 1, 1)


def test_a_case_over_its_time_ends_after_the_least_blocks():
    plan = Plan(blocks=50, calls=1, repetitions=1, slots=("0",), budget_s=0.0)
    _, series = run(plan, candidate=1e-3, eager=1e-3)
    assert len(series.claimed[CANDIDATE]) == MIN_BLOCKS


def told(claim: float, seconds: float) -> str | None:
    contenders = {CANDIDATE: Scripted(seconds, claim), "eager": Scripted(seconds)}
    return clock_disagreement(measure(contenders, PLAN, random.Random(1), "eager"), PLAN)


@pytest.mark.parametrize("seconds", [1e-5, 1e-3, 5e-2])
def test_an_honest_clock_is_believed(seconds):
    assert told(1.0, seconds) is None


@pytest.mark.parametrize(("claim", "seconds"), [(0.0, 1e-4), (0.1, 5e-3), (0.5, 5e-3), (0.85, 5e-2)])
def test_a_clock_that_runs_slow_is_not(claim, seconds):
    assert told(claim, seconds) is not None


def test_noise_in_a_few_calls_never_trips_the_clock():
    series = Series("eager", {CANDIDATE: [[5e-3]] * 24, TWIN: [[5e-3]] * 24, "eager": [[5e-3]] * 24})
    quiet = [1e-4] * 24
    series.gaps = {CANDIDATE: [1e-4] * 15 + [0.2] * 9, TWIN: quiet, "eager": quiet}
    assert clock_disagreement(series, PLAN) is None


def test_the_pause_outlasts_a_spinning_pool():
    assert SETTLE_S >= 0.01
