import math
import random

import pytest

from tools.intervals import (
    REPEATABILITY,
    Interval,
    quantiles,
    ratio_interval,
    verdict_on,
    window_ratios,
)
from tools.student import student_quantile


def noise(seed: int, blocks: int, sigma: float, centre: float = 0.0) -> list[float]:
    lot = random.Random(seed)
    return [lot.gauss(centre, sigma) for _ in range(blocks)]


def test_the_same_seed_gives_the_same_interval_and_it_holds_the_estimate():
    logs = noise(1, 12, 0.05, math.log(1.5))
    first, second = ratio_interval([logs], 3), ratio_interval([logs], 3)
    assert first == second
    assert first.low <= first.value <= first.high
    assert first.value == pytest.approx(1.5, rel=0.1)


def test_it_covers_the_truth_about_as_often_as_it_says():
    hits = sum(
        interval.low <= 1.0 <= interval.high
        for interval in (ratio_interval([noise(seed, 12, 0.03)], seed) for seed in range(200))
    )
    assert 180 <= hits <= 200


def test_one_disturbed_block_moves_it_little():
    logs = [0.0, 0.001, -0.001, 0.002, -0.002, 0.0, 0.001, -0.001, 0.0, 0.001, -0.002]
    assert ratio_interval([[*logs, 2.0]], 0).value == pytest.approx(1.0, abs=0.002)


def test_two_disturbed_blocks_in_twelve_do_not_widen_the_interval_much():
    quiet = noise(5, 12, 0.02)
    disturbed = [0.7, 0.5, *quiet[2:]]
    width = {key: (found := ratio_interval([logs], 0)).high - found.low for key, logs in
             (("quiet", quiet), ("disturbed", disturbed))}  # fmt: skip
    assert width["disturbed"] < 2 * width["quiet"]


def test_another_judgement_may_differ_by_more_than_the_blocks_tell():
    sharp = Interval(2.0, 2.0, 2.0).for_judgements()
    assert math.log(sharp.high / 2.0) == pytest.approx(1.96 * REPEATABILITY, rel=0.001)
    assert sharp.low == pytest.approx(4.0 / sharp.high)
    wide = Interval(2.0, 1.0, 4.0).for_judgements()
    assert (wide.low, wide.high) == pytest.approx((1.0, 4.0), rel=0.01)


def test_cases_weigh_the_same_however_many_blocks_they_have():
    two, half = [math.log(2)] * 6, [math.log(0.5)] * 24
    assert ratio_interval([two, half], 0).value == pytest.approx(1.0)


def test_many_blocks_do_not_take_much_memory():
    assert ratio_interval([noise(1, 400, 0.01)], 0).value == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("series", [[], [[]], [[0.1], []]])
def test_a_case_without_blocks_is_an_error(series):
    with pytest.raises(ValueError, match="at least one ratio"):
        ratio_interval(series, 0)


def test_a_single_block_gives_a_point():
    assert ratio_interval([[0.0]], 0) == Interval(1.0, 1.0, 1.0)


@pytest.mark.parametrize(("freedom", "expected"), [(3, 3.182), (5, 2.571), (11, 2.201), (23, 2.069), (1000, 1.962)])
def test_student_quantiles_agree_with_the_tables(freedom, expected):
    assert student_quantile(0.95, freedom) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize(
    ("low", "high", "spread", "faster"),
    [
        (1.05, 1.10, 0.01, True),
        (1.015, 1.10, 0.01, None),
        (1.05, 1.10, 0.06, None),
        (0.90, 1.01, 0.00, False),
        (1.03, 1.04, 0.05, False),
    ],
)
def test_faster_needs_the_whole_interval_beyond_the_bar(low, high, spread, faster):
    assert verdict_on(Interval((low + high) / 2, low, high), spread) is faster


def test_the_spread_sees_a_bias_that_a_half_width_would_not():
    assert Interval(1.04, 1.03, 1.05).spread == pytest.approx(0.05)


def test_windows_are_compared_within_their_round_and_those_that_lack_a_side_are_left_out():
    ratios = window_ratios([[2.0, 8.0], [], [1.0]], [[1.0, 2.0], [1.0], []])
    assert ratios == [pytest.approx(math.log(2)), pytest.approx(math.log(4))]


def test_quantiles_are_those_of_the_samples():
    assert quantiles([5.0]) == (5.0, 5.0, 5.0)
    middle, low, high = quantiles([float(i) for i in range(101)])
    assert (middle, low, high) == (50.0, 5.0, 95.0)
