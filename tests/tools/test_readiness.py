import random

import pytest

from tools.readiness import told_s

SLACK_S, MOST_S = 4e-4, 60e-3
ROUNDS = 24


def times(lot: random.Random, count: int, *, wild: float = 0.0) -> list[float]:
    """About 2 ms; so large a share takes up to 200 ms more, by nobody's fault."""
    return [2e-3 + lot.gauss(0, 1e-4) + (lot.uniform(5e-3, 0.2) if lot.random() < wild else 0.0) for _ in range(count)]


def told(lot: random.Random, left: list[float], *, wild: float = 0.0) -> float:
    """``left``: what the candidate left for each time it gets ready among others."""
    n = len(left)
    ours = [time + more for time, more in zip(times(lot, n, wild=wild), left, strict=True)]
    among, alone = (ours, times(lot, 3 * n, wild=wild)), (times(lot, n, wild=wild), times(lot, n, wild=wild))
    return told_s([among, alone], SLACK_S, MOST_S)


@pytest.mark.parametrize("wild", [0.0, 0.06])
@pytest.mark.parametrize("every", [1, 2])
def test_what_is_left_for_most_or_half_of_the_times_is_told(every, wild):
    lot = random.Random(1)
    for _ in range(20):
        left = [every * 4e-3 if number % every == 0 else 0.0 for number in range(ROUNDS)]
        assert told(lot, left, wild=wild) > 3e-3


@pytest.mark.parametrize("every", [3, 6])
def test_who_does_the_work_of_many_windows_at_once_is_told_all_of_it(every):
    left = [every * 4e-3 if number % every == 0 else 0.0 for number in range(ROUNDS)]
    assert told(random.Random(1), left) == pytest.approx(4e-3, rel=0.05)


def test_three_times_of_twelve_are_enough_and_two_may_be_the_machine():
    assert told(random.Random(1), [12e-3, 0, 0, 0] * 3) == pytest.approx(3e-3, rel=0.1)
    assert told(random.Random(1), [12e-3, 0, 0, 0, 0, 0] * 2) == 0.0


@pytest.mark.parametrize("wild", [0.03, 0.1, 0.4])
@pytest.mark.parametrize("rounds", [6, 12, 24])
def test_what_the_machine_does_to_anybody_is_hardly_ever_held_against_the_candidate(rounds, wild):
    lot = random.Random(7)
    tries = 60
    assert sum(told(lot, [0.0] * rounds, wild=wild) > 0 for _ in range(tries)) <= tries * 0.1


def test_a_little_longer_is_nothing_even_beside_an_outlier():
    lot = random.Random(1)
    assert told(lot, [0.25e-3] * ROUNDS) == 0.0
    assert told(lot, [0.25e-3] * (ROUNDS - 1) + [0.1]) == 0.0
