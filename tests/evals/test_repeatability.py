"""What is told of pairs: counts, and what varies within and between processes."""

import math

import pytest

from evals.repeatability import Tally, as_lines, plan_of_all


def test_variation_within_processes_is_told_from_that_between_them():
    tally = Tally("compute", 0.0)
    tally.ratios = [[0.10, 0.12], [-0.10, -0.12], [0.0]]  # the last has but one pair: it tells neither
    tally.said.update({"ambiguous": 4, "faster": 1})
    facts = tally.to_json()
    assert facts["sd_within_processes"] == pytest.approx(math.sqrt(2) * 0.01)
    assert facts["sd_between_processes"] == pytest.approx(math.sqrt(2) * 0.11)
    assert (facts["pairs"], facts["faster"], facts["not faster"], facts["processes"]) == (5, 1, 0, 3)
    assert "| compute | 0% | 5 | 1 | 0 | 4 | 1.0000 | 1.41% | 15.56% |" in as_lines([tally])


def test_all_of_the_time_is_spent():
    plan = list(plan_of_all(600))
    assert sum(seconds for _, _, seconds in plan) == pytest.approx(600)
    assert {gain for _, gain, _ in plan} == {0.0, 0.03}
