"""What is told of pairs: counts, and how sittings of the same pair differ."""

import math

import pytest

from evals.repeatability import Tally, as_lines, plan_of_all


def test_sittings_are_compared_within_their_pair():
    tally = Tally("compute", 0.0)
    tally.sittings = [[0.10, 0.12], [-0.10, -0.12], [0.0]]  # the last has but one sitting: it tells nothing of them
    tally.said.update({"ambiguous": 2, "faster": 1})
    tally.seconds = 30.0
    facts = tally.to_json()
    assert facts["sd_of_sittings"] == pytest.approx(math.sqrt(2) * 0.01)
    assert (facts["pairs"], facts["faster"], facts["not faster"], facts["sittings"]) == (3, 1, 0, pytest.approx(5 / 3))
    assert "| compute | 0% | 3 | 1 | 0 | 2 | 1.0000 | 1.41% | 1.7 | 10 |" in as_lines([tally])


def test_a_kind_without_pairs_has_a_row_all_the_same():
    assert "| memory | 3% | 0 | 0 | 0 | 0 | - | - | - | 0 |" in as_lines([Tally("memory", 0.03)])


def test_all_of_the_time_is_spent():
    plan = list(plan_of_all(600))
    assert sum(seconds for _, _, seconds in plan) == pytest.approx(600)
    assert {gain for _, gain, _ in plan} == {0.0, 0.03}
