import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

import pytest

from tools.benchmarking import (
    CANDIDATE,
    FASTEST,
    MIN_BLOCKS,
    SPARED_S,
    TWIN,
    WARM_UP_ROUNDS,
    WINDOW_S,
    WINDOWS,
    CaseRatios,
    Plan,
    Series,
    clock_disagreement,
    measure,
    plan_for,
    summarise,
)
from tools.contender import Call, Rejected
from tools.errors import JudgeUnavailable
from tools.harness.wire import MAX_CALLS
from tools.sittings import combined
from tools.trial import require_possible

PLAN = Plan(blocks=8, windows=2, calls=1)
OVERHEAD = 1e-4


@dataclass
class Scripted:
    """Takes a stated time, with some noise; never sleeps."""

    seconds: float
    claim: float = 1.0
    look: float = 3e-5
    laid: float = 2e-3
    log: list[tuple[object, ...]] = field(default_factory=list)
    lot: random.Random = field(default_factory=lambda: random.Random(3))

    def lay(self, sets, *, again=False):
        self.log.append((*sets, again))
        self.calls = len(sets)

    def go(self):
        true = self.calls * self.seconds * self.lot.uniform(0.99, 1.01)
        return Call(true * self.claim, true + OVERHEAD / 2, true + OVERHEAD, self.look, self.calls, self.laid)


def run(plan=PLAN, log=None, flush=lambda: None, **seconds: float):
    contenders = {name.replace("_", "."): Scripted(value) for name, value in seconds.items()}
    rounds = count()
    draw = lambda: [f"{next(rounds)}" for _ in range(plan.calls)]  # noqa: E731
    after = (lambda name: None) if log is None else log.append
    series = measure(contenders, plan, random.Random(1), "eager", draw, flush=flush, after_window=after)
    return contenders, series


def test_everybody_meets_the_same_sets_and_none_twice():
    contenders, series = run(candidate=1e-3, eager=2e-3)
    assert [len(block) for block in series.windows[CANDIDATE]] == [2] * 8
    assert [len(block) for block in series.windows[TWIN]] == [2] * 8
    mine = [name for name, _ in contenders[CANDIDATE].log]
    assert len(set(mine)) == len(mine) == 16 + WARM_UP_ROUNDS
    theirs = Counter(name for name, _ in contenders["eager"].log)
    assert set(theirs) == set(mine)
    assert sum(theirs.values()) == 32 + WARM_UP_ROUNDS  # twice, but for the warm-up: its twin


def test_addresses_are_the_same_as_before_now_and_then():
    contenders, _ = run(candidate=1e-3, eager=2e-3)
    assert {again for _, again in contenders[CANDIDATE].log[WARM_UP_ROUNDS:]} == {True, False}


def test_caches_are_made_cold_before_every_timed_window():
    flushed: list[int] = []
    _, series = run(candidate=1e-3, eager=2e-3, flush=lambda: flushed.append(1))
    assert len(flushed) == sum(len(block) for name in series.windows for block in series.windows[name])


def test_who_is_quicker_than_inputs_can_be_read_is_told():
    _, series = run(candidate=1e-6, eager=2e-3)
    require_possible(series, 5e-5)
    with pytest.raises(Rejected, match="cannot read the inputs") as told:
        require_possible(series, 3e-4)
    assert told.value.reason == "cheat.below_floor"


def test_on_a_busy_machine_nobody_is_told_to_be_quicker_than_inputs_can_be_read():
    """What most windows took besides, others waited for, the candidate's few short ones did not."""
    _, series = run(candidate=1e-3, eager=2e-3)
    for name in ("eager", TWIN):
        series.windows[name] = [
            [window + (0.95e-3 if number else 0.0) for number, window in enumerate(block)]
            for block in series.windows[name]
        ]
        series.windows[name][0] = [window + 0.95e-3 for window in series.windows[name][0]]
    assert series.timing(CANDIDATE).median_s < 8e-4  # too little by a third
    with pytest.raises(JudgeUnavailable, match="the machine is too busy"):
        require_possible(series, 9e-4)


def test_what_a_window_takes_besides_its_calls_is_taken_off():
    _, series = run(candidate=1e-2, eager=2e-2)
    assert series.overhead_s() == pytest.approx(OVERHEAD, rel=0.01)
    assert series.timing(CANDIDATE).median_s == pytest.approx(1e-2, rel=0.02)


def test_of_a_short_window_only_what_nobody_can_spare_himself_is_taken_off():
    _, series = run(candidate=1e-3, eager=2e-3)
    assert series.overhead_s() == pytest.approx(OVERHEAD, rel=0.01)
    assert OVERHEAD <= SPARED_S
    assert series.timing(CANDIDATE).median_s == pytest.approx(1e-3 + OVERHEAD, rel=0.02)
    assert series.timing(TWIN).median_s == pytest.approx(2e-3, rel=0.02)


@pytest.mark.parametrize(("look", "told"), [(3e-5, 2e-2), (1e-5, 2e-2 + 2e-5), (9e-5, 2e-2)])
def test_who_is_looked_at_more_quickly_gets_no_more_taken_off_than_that(look, told):
    contenders = {CANDIDATE: Scripted(2e-2, look=look), "eager": Scripted(2e-2)}
    series = measure(contenders, PLAN, random.Random(1), "eager", lambda: ["x"])
    assert series.overhead_s(CANDIDATE) == pytest.approx(OVERHEAD - (told - 2e-2), rel=1e-6)
    assert series.overhead_s(TWIN) == pytest.approx(OVERHEAD, rel=1e-6)


def test_a_look_aside_comes_once_a_round_and_anywhere_in_it():
    calls: list[str] = []
    contenders = {CANDIDATE: Scripted(1e-3), "eager": Scripted(1e-3)}
    after = calls.append
    measure(
        contenders, PLAN, random.Random(1), "eager", lambda: ["x"], after_window=after, aside=lambda: after("aside")
    )
    rounds = [calls[i : i + 4] for i in range(0, len(calls), 4)]
    assert len(rounds) == 16
    assert {names.count("aside") for names in rounds} == {1}
    assert {names.index("aside") for names in rounds} == {0, 1, 2, 3}


def test_a_candidate_that_says_it_is_quick_gets_more_calls_a_window():
    assert plan_for(WINDOW_S, 1e-3, 4, 6, fastest_s=WINDOW_S / 4).calls == 4
    assert plan_for(WINDOW_S, 1e-3, 4, 6, fastest_s=0.0).calls == FASTEST
    assert plan_for(WINDOW_S / 4, 1e-3, 4, 6, fastest_s=1.0).calls == 4


def test_a_lying_clock_changes_no_time():
    honest, liar = Scripted(1e-2), Scripted(1e-2, claim=0.3)
    for candidate in (honest, liar):
        contenders = {CANDIDATE: candidate, "eager": Scripted(2e-2)}
        series = measure(contenders, PLAN, random.Random(1), "eager", lambda: ["x"])
        assert summarise("default", series, 0).verdict.speedup == pytest.approx(2.0, rel=0.02)


def test_the_order_is_by_lot():
    calls: list[str] = []
    run(log=calls, candidate=1e-3, eager=1e-3)
    assert len({tuple(calls[i : i + 3]) for i in range(0, len(calls), 3)}) > 3


def test_a_slow_baseline_is_dropped_and_still_reported():
    _, series = run(candidate=1e-3, eager=2e-3, slow=9e-3)
    assert len(series.samples("slow")) == 6
    assert len(series.samples("eager")) == 16
    case = summarise("default", series, 0).verdict
    assert case.baselines["slow"].median_s == pytest.approx(9e-3, rel=0.02)


def test_the_ratio_is_to_the_fastest_baseline():
    _, series = run(candidate=1e-2, eager=4e-2, other=3e-2)
    case = summarise("default", series, 0).verdict
    assert case.speedup == pytest.approx(3.0, rel=0.02)
    assert case.speedup_ci95[0] <= case.speedup <= case.speedup_ci95[1]
    assert case.aa_spread < 0.02


def test_cases_are_averaged_geometrically():
    cases = [summarise(name, run(candidate=1e-2, eager=slow)[1], 0) for name, slow in (("a", 4e-2), ("b", 1e-2))]
    interval, spread = combined([cases], 0)
    assert interval.value == pytest.approx(2.0, rel=0.02)
    assert spread < 0.02
    assert isinstance(cases[0], CaseRatios)


def test_short_calls_share_a_window():
    plan = plan_for(2e-6, 1e-3, 4, 12)
    assert plan.calls == MAX_CALLS
    contenders, series = run(plan, candidate=2e-6, eager=2e-6)
    assert len(set(contenders[CANDIDATE].log[0])) == MAX_CALLS + 1
    assert series.timing(CANDIDATE).median_s == pytest.approx(2e-6, rel=0.15)
    assert plan_for(2e-6, 1e-3, 4, 12, fitting=5).calls == 5


def test_a_long_call_is_measured_less_often_but_often_enough():
    assert plan_for(WINDOW_S, 15e-3, 4, 12) == Plan(12, WINDOWS, 1)
    assert plan_for(50e-3, 80e-3, 4, 12) == Plan(12, 2, 1)
    slow = plan_for(1.0, 0.1, 4, 12)
    assert (slow.blocks, slow.windows, slow.calls) == (MIN_BLOCKS, 1, 1)


def test_what_is_handled_counts_towards_the_time_of_a_case():
    small, large = (plan_for(1e-3, 1e-3, 4, 12, call_bytes=size) for size in (4096, 40 << 20))
    assert small.calls == large.calls == 8
    assert (small.blocks, small.windows) == (12, WINDOWS)
    assert large.blocks * large.windows < small.blocks * small.windows
    assert large.blocks >= MIN_BLOCKS


def test_a_case_over_its_time_ends_after_the_least_blocks():
    _, series = run(Plan(blocks=50, windows=1, calls=1, budget_s=0.0), candidate=1e-3, eager=1e-3)
    assert len(series.windows[CANDIDATE]) == MIN_BLOCKS


@pytest.mark.parametrize("side_by_side", [True, False])
def test_candidate_and_best_may_come_one_after_the_other(side_by_side):
    """In either order, anywhere in the round."""
    order: list[str] = []
    contenders = {CANDIDATE: Scripted(1e-3), "eager": Scripted(1e-3), "other": Scripted(1e-3)}
    note = order.append
    plan = Plan(blocks=10, windows=3, calls=1)
    kwargs = {"after_window": note, "aside": lambda: note("aside"), "side_by_side": side_by_side}
    measure(contenders, plan, random.Random(1), "eager", lambda: ["x"], **kwargs)
    rounds = [order[start : start + 5] for start in range(0, 15 * 5, 5)]
    gaps = {one.index(CANDIDATE) - one.index("eager") for one in rounds}
    assert (gaps == {1, -1}) is side_by_side
    assert len({tuple(one) for one in rounds}) > 5


def told(claim: float, seconds: float) -> str | None:
    contenders = {CANDIDATE: Scripted(seconds, claim), "eager": Scripted(seconds)}
    return clock_disagreement(measure(contenders, PLAN, random.Random(1), "eager", lambda: ["x"]))


@pytest.mark.parametrize("seconds", [1e-5, 1e-3, 5e-2])
def test_an_honest_clock_is_believed(seconds):
    assert told(1.0, seconds) is None


@pytest.mark.parametrize(("claim", "seconds"), [(0.0, 1e-4), (0.1, 5e-3), (0.5, 5e-3), (0.85, 5e-2)])
def test_a_clock_that_runs_slow_is_not(claim, seconds):
    assert told(claim, seconds) is not None


def waiting(waits: list[float]) -> Series:
    names = (CANDIDATE, TWIN, "eager")
    series = Series("eager", 1, *({name: list(value) for name in names} for value in ([], [5e-3] * 24, [1e-4] * 24)))
    series.windows = {name: [[5.1e-3]] * 24 for name in names}
    series.waits[CANDIDATE] = waits
    return series


def test_noise_in_a_few_windows_never_trips_the_clock():
    assert clock_disagreement(waiting([1e-4] * 15 + [0.2] * 9)) is None
    assert clock_disagreement(waiting([4e-3] * 24)) is not None


@pytest.mark.parametrize(("calm", "told"), [(1, False), (0, True)])
def test_of_a_few_windows_one_calm_one_is_enough_to_be_believed(calm, told):
    series = waiting([1e-4] * calm + [4e-3] * (4 - calm))
    series.claims[CANDIDATE] = [5e-3] * 4
    series.windows[CANDIDATE] = [[5.1e-3]] * 4
    assert (clock_disagreement(series) is not None) is told


def test_one_that_is_slow_to_stop_does_not_lie():
    series = waiting([1e-4] * 24)
    series.windows[CANDIDATE] = [[20e-3]] * 24
    assert clock_disagreement(series) is None


def test_a_busy_machine_never_trips_the_clock():
    lot = random.Random(5)
    series = Series("eager", 1)
    for name in (CANDIDATE, TWIN, "eager"):
        series.waits[name] = [lot.expovariate(1 / 5e-3) for _ in range(24)]
        series.windows[name] = [[5e-3 + wait] for wait in series.waits[name]]
        series.claims[name] = [5e-3] * 24
    assert clock_disagreement(series) is None


def by_itself(seconds: float, laid: float = 2e-3) -> Call:
    """A window of one call."""
    return Call(seconds, seconds, seconds + OVERHEAD, 0.0, 1, laid)


def alone(seconds: float, ours: float, theirs: float, *, calls: int = 8) -> Series:
    """A candidate whose calls take so long among others, and by themselves; the baseline's take 2 ms."""
    plan = Plan(blocks=8, windows=2, calls=calls)
    contenders = {CANDIDATE: Scripted(seconds), "eager": Scripted(2e-3)}
    draw = lambda: ["x"] * calls  # noqa: E731
    look = lambda: (by_itself(ours), by_itself(theirs))  # noqa: E731
    return measure(contenders, plan, random.Random(1), "eager", draw, alone=look)


@pytest.mark.parametrize(("laid", "besides"), [(6e-3, 2e-3), (2e-3, 6e-3), (4e-3, 4e-3), (8e-3, 0.0)])
def test_what_is_left_for_when_answers_are_dropped_is_told_as_the_calls_own(laid, besides):
    plan = Plan(blocks=8, windows=2, calls=8)
    contenders = {CANDIDATE: Scripted(1e-3, laid=laid), "eager": Scripted(2e-3)}
    look = lambda: (by_itself(1e-3, besides), by_itself(2e-3))  # noqa: E731
    series = measure(contenders, plan, random.Random(1), "eager", lambda: ["x"] * 8, alone=look)
    verdict = summarise("default", series, 0).verdict
    assert verdict.deferred_s == pytest.approx(4e-3)
    assert verdict.speedup == pytest.approx(16 / (8 + 4), rel=0.05)


def test_getting_ready_takes_some_a_little_longer_and_that_is_not_held_against_them():
    contenders = {CANDIDATE: Scripted(1e-2, laid=2.3e-3), "eager": Scripted(2e-2), "torch.compile": Scripted(2e-2)}
    series = measure(contenders, PLAN, random.Random(1), "eager", lambda: ["x"])
    assert series.deferred_s == 0.0


def test_a_baseline_that_is_slow_to_get_ready_hides_nothing():
    contenders = {CANDIDATE: Scripted(1e-2, laid=6e-3), "eager": Scripted(2e-2, laid=4e-2), "best": Scripted(2e-2)}
    series = measure(contenders, PLAN, random.Random(1), "best", lambda: ["x"])
    assert series.deferred_s == pytest.approx(4e-3)


def test_who_answers_many_calls_at_once_is_told_by_what_one_takes_alone():
    series = alone(0.5e-3, 2e-3, 2e-3)
    assert series.lengthened == pytest.approx(4.0, rel=0.05)
    assert summarise("default", series, 0).verdict.speedup == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize(("ours", "theirs"), [(1e-3, 2e-3), (1.1e-3, 2e-3), (0.5e-3, 2e-3), (1.2e-3, 2.1e-3)])
def test_waking_up_and_a_quick_first_call_change_nothing(ours, theirs):
    series = alone(1e-3, ours, theirs)
    assert series.lengthened == 1.0
    assert summarise("default", series, 0).verdict.speedup == pytest.approx(2.0, rel=0.05)


def test_what_is_within_the_noise_changes_nothing():
    lot = random.Random(3)
    plan = Plan(blocks=8, windows=2, calls=8)
    contenders = {CANDIDATE: Scripted(1e-3), "eager": Scripted(2e-3)}
    look = lambda: (by_itself(1.2e-3 + lot.gauss(0, 4e-4)), by_itself(2e-3 + lot.gauss(0, 4e-4)))  # noqa: E731
    series = measure(contenders, plan, random.Random(1), "eager", lambda: ["x"] * 8, alone=look)
    assert len(series.alone) == 16
    assert series.lengthened == 1.0


def test_windows_of_one_call_need_no_other_look():
    assert alone(1e-3, 9e-3, 2e-3, calls=1).alone == []
