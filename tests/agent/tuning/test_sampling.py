"""Which setting comes next: a function of the seed and of what was tried, and never one that was tried."""

import itertools

import pytest

from agent.tree import to_node
from agent.tuning.choosing import CLOSE, GAIN, allowance_s, chosen, is_worth_tuning
from agent.tuning.sampling import Tried, next_setting
from tools.parameters import parameters_of

SMALL = parameters_of("A = 1  # tune: 1..3\nB = 2  # tune: 1, 2\n")
LARGE = parameters_of("A = 64  # tune: 16..4096 x2\nB = 4  # tune: 1..8\nC = 1  # tune: 1..8\n")


def speed(values):
    """None for a wrong setting; best at 512, 3, 4."""
    a, b, c = values
    return None if c == 7 else 3.0 - abs(a.bit_length() - 10) * 0.1 - abs(b - 3) * 0.1 - abs(c - 4) * 0.1


def tune(parameters, how_quick, seed, most, tried=()):
    tried = list(tried)
    while (values := next_setting(parameters, tried, seed=seed, most=most)) is not None:
        assert list(values) == [one.name for one in parameters]
        tried.append(Tried(tuple(values.values()), how_quick(tuple(values.values()))))
    return tried


def test_the_defaults_come_first_and_a_small_space_is_tried_in_full():
    tried = tune(SMALL, lambda values: 1.0, seed=0, most=50)
    assert tried[0].values == (1, 2)
    assert sorted(one.values for one in tried) == list(itertools.product((1, 2, 3), (1, 2)))


def test_the_budget_holds_and_nothing_is_tried_twice():
    tried = tune(LARGE, speed, seed=1, most=20)
    assert len({one.values for one in tried}) == len(tried) == 20


def test_a_seed_says_it_all_and_a_resumed_search_goes_on_as_it_would_have():
    whole = tune(LARGE, speed, seed=5, most=18)
    assert tune(LARGE, speed, seed=5, most=18) == whole
    assert tune(LARGE, speed, seed=6, most=18) != whole
    for cut in (1, 9, 17):
        assert tune(LARGE, speed, seed=5, most=18, tried=whole[:cut]) == whole


def test_what_was_learnt_is_used():
    """After the random start the suggestions are quicker than chance, over a few seeds."""
    later = [one.speedup or 0 for seed in range(6) for one in tune(LARGE, speed, seed=seed, most=45)[15:]]
    space = [speed(values) or 0 for values in itertools.product(*(one.values for one in LARGE))]
    assert sum(later) / len(later) > sum(space) / len(space) + 0.1


def test_where_everything_fails_it_ends():
    assert len(tune(LARGE, lambda values: None, seed=0, most=12)) == 12


def entry(number, speedup):
    return {"number": number, "values": {"A": number}, "speedup": speedup}


def test_the_quickest_right_setting_wins_if_it_beats_the_defaults_by_more_than_noise():
    assert chosen([entry(0, 1.0), entry(1, 1.5), entry(2, None), entry(3, 1.2)], 1.0)["number"] == 1
    assert chosen([entry(0, 1.0), entry(1, GAIN - 0.001)], 1.0) is None
    assert chosen([entry(0, 1.4), entry(1, 1.2)], 1.0) is None
    assert chosen([entry(0, None), entry(1, None)], 1.0) is None
    assert chosen([entry(0, None), entry(1, 1.2)], 1.5) is None, "the defaults' verdict stands in for them"
    assert chosen([entry(0, None), entry(1, 1.6)], 1.5)["number"] == 1


def node(speedup, at_floor=False):
    verdict = {"status": "accepted", "speedup": speedup, "at_floor": at_floor}
    names = ("candidate", "parent", "round", "slot", "strategy", "source_artifact", "language", "origin")
    return to_node({**dict.fromkeys(names, ""), "verdict": verdict})


@pytest.mark.parametrize(
    ("speedup", "at_floor", "fastest", "worth"),
    [(1.0, False, 1.0, True), (1.0, True, 1.0, False), (2 * CLOSE + 0.01, False, 2.0, True),
     (2 * CLOSE - 0.01, False, 2.0, False)],
)  # fmt: skip
def test_only_what_is_close_to_the_fastest_is_tuned(speedup, at_floor, fastest, worth):
    assert is_worth_tuning(node(speedup, at_floor), fastest) is worth


def test_seconds_are_shared():
    assert allowance_s(100.0, []) == 50.0
    assert allowance_s(100.0, [10.0, 10.0]) == 0.0 or allowance_s(100.0, [10.0, 10.0]) == 40.0
    assert allowance_s(100.0, [30.0, 30.0]) == 0.0, "not enough for a few tries"
    assert allowance_s(100.0, [5.0] * 20) == 0.0
