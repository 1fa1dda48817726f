"""Close calls: when they are measured on, when they end, and how often that errs."""

import math
import random
from dataclasses import replace
from itertools import count

import pytest

from tools.benchmarking import CaseRatios
from tools.intervals import MIN_EFFECT, REPEATABILITY, verdict_on
from tools.sittings import MAX_SITTINGS, MIN_SITTINGS, combined, pool, settle
from tools.verdict import CaseVerdict, Timing

TIMING = Timing(median_s=1e-3, p5_s=1e-3, p95_s=1e-3, samples=72)
BUDGET_S = 1000.0


def case(ratio: float, lot: random.Random, name: str = "a", rounds: int = 24, noise: float = 0.026) -> CaseRatios:
    speedups = [lot.gauss(ratio, noise) for _ in range(rounds)]
    twins = [lot.gauss(0.0, noise) for _ in range(rounds)]
    verdict = CaseVerdict(
        name=name,
        speedup=1.0,
        speedup_ci95=(1.0, 1.0),
        candidate=TIMING,
        baselines={"eager": TIMING},
        aa_spread=0.01,
    )
    return CaseRatios(verdict, speedups, twins, "eager")


def judged(gain: float, seed: int, between: float = 0.005) -> tuple[bool | None, int]:
    """A true gain, measured with processes whose luck has a standard deviation ``between``."""
    lot = random.Random(seed)
    sit = lambda: [case(lot.gauss(gain, between), lot)]  # noqa: E731 - the script of a judge
    sittings = settle(sit(), sit, seed, BUDGET_S, clock=lambda: 0.0)
    return verdict_on(*combined(sittings, seed)), len(sittings)


def refuse():
    raise AssertionError("measured on")


@pytest.mark.parametrize("ratio", [0.2, -0.2, -0.02])
def test_what_is_clear_or_hopeless_is_not_measured_on(ratio):
    first = [case(ratio, random.Random(0))]
    assert settle(first, refuse, 0, BUDGET_S) == [first]


def test_nothing_is_begun_that_could_not_reach_the_sittings_it_takes():
    first = [case(0.03, random.Random(0))]
    assert settle(first, refuse, 0, 5.0) == [first]


def test_time_ends_it():
    now, lot = count(0, 100), random.Random(0)
    sit = lambda: [case(lot.choice([-0.1, 0.14]), lot)]  # noqa: E731 - nothing will ever be clear
    sittings = settle([case(0.02, lot)], sit, 0, BUDGET_S, clock=lambda: float(next(now)))
    assert len(sittings) == 9, "none begins that would not be done in time"


def test_a_gain_of_three_percent_is_found():
    said = [judged(0.0296, seed) for seed in range(40)]
    assert sum(word is True for word, _ in said) >= 38
    assert all(word is not False for word, _ in said)


def test_no_difference_is_never_called_one():
    said = [judged(0.0, seed) for seed in range(60)]
    assert not [word for word, _ in said if word is True]
    assert sum(word is False for word, _ in said) >= 57


def test_a_gain_at_the_bar_itself_stays_open_nearly_always():
    said = [judged(0.0198, seed) for seed in range(20)]
    assert sum(word is None and sittings == MAX_SITTINGS for word, sittings in said) >= 16


def test_the_luck_of_processes_is_in_the_interval():
    """With rounds that hardly vary, all of the interval is what sittings say of each other."""
    lot = random.Random(5)
    sittings = [[case(lot.choice([-0.1, 0.1]), lot, noise=1e-6)] for _ in range(MIN_SITTINGS)]
    interval, _ = combined(sittings, 0)
    assert interval.low < 0.95
    assert interval.high > 1.05


def test_few_sittings_keep_what_is_known_of_judgements():
    lot = random.Random(6)
    one, two = (combined([[case(0.1, lot)] for _ in range(number)], 0)[0] for number in (1, 2))
    assert 1.1 < one.high / one.low < 1.25
    assert 1.08 < two.high / two.low < one.high / one.low


def test_cases_are_pooled_each_with_its_own():
    lot = random.Random(7)
    sittings = [[case(0.5, lot, "a"), case(0.1, lot, "b")] for _ in range(3)]
    first, second = (pool(group, 0) for group in zip(*sittings, strict=True))
    assert (first.name, second.name) == ("a", "b")
    assert first.speedup == pytest.approx(1.649, rel=0.02)
    assert second.speedup == pytest.approx(1.105, rel=0.02)
    assert first.speedup_ci95[0] < first.speedup < first.speedup_ci95[1]
    assert pool([case(0.5, lot)], 0).aa_spread == 0.01  # of one sitting, what it said itself
    assert 0 < first.aa_spread != 0.01


def test_a_case_and_all_of_them_are_told_by_one_rule():
    lot = random.Random(8)
    for number in (2, MIN_SITTINGS):
        sittings = [[case(0.1, lot)] for _ in range(number)]
        interval, spread = combined(sittings, 0)
        told = pool([cases[0] for cases in sittings], 0)
        assert (told.speedup, *told.speedup_ci95, told.aa_spread) == (*vars(interval).values(), spread)


def test_the_bar_is_what_is_documented():
    assert MIN_EFFECT == 0.02


def test_where_judgements_agree_better_intervals_are_narrower():
    lot = random.Random(2)
    quiet = case(0.05, lot, noise=1e-6)
    steady = replace(quiet, repeatability=0.01)
    widths = {}
    for name, one in (("host", quiet), ("device", steady)):
        interval, _ = combined([[one]], 0)
        widths[name] = math.log(interval.high / interval.low)
    assert widths["host"] == pytest.approx(2 * 1.96 * REPEATABILITY, rel=0.02)
    assert widths["device"] == pytest.approx(2 * 1.96 * 0.01, rel=0.02)
    assert verdict_on(*combined([[steady]], 0)) is True
    assert verdict_on(*combined([[quiet]], 0)) is None
