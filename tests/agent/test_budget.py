from __future__ import annotations

import pytest

from agent.budget import Spent, confirmation_reserve_s, stop_before_judging, stop_before_round
from agent.settings import AgentSettings

SETTINGS = AgentSettings(
    max_candidates=10, max_seconds=100, max_tokens=1000, max_cost=2.0, stall=4, target_speedup=3.0, target_roofline=0.8
)


@pytest.mark.parametrize(
    ("spent", "reason"),
    [
        (Spent(), None),
        (Spent(candidates=9, elapsed_s=99, tokens=999, cost_usd=1.99, since_better=3, barren_rounds=2), None),
        (Spent(candidates=10), "max_candidates"),
        (Spent(elapsed_s=100), "max_seconds"),
        (Spent(elapsed_s=60, judging_s=20, reserve_s=19), None),
        (Spent(elapsed_s=60, judging_s=20, reserve_s=20), "max_seconds"),
        (Spent(tokens=1000), "max_tokens"),
        (Spent(cost_usd=2.0), "max_cost"),
        (Spent(cost_usd=None), None),
        (Spent(since_better=4), "stall"),
        (Spent(barren_rounds=3), "exhausted"),
        (Spent(speedup=2.99), None),
        (Spent(speedup=3.0, candidates=10), "target_speedup"),
        (Spent(roofline_fraction=0.79), None),
        (Spent(roofline_fraction=0.8, candidates=10), "target_roofline"),
        (Spent(at_floor=True, candidates=10), "at_floor"),
    ],
)
def test_reasons_to_begin_no_round(spent: Spent, reason: str | None) -> None:
    assert stop_before_round(SETTINGS, spent) == reason


def test_what_is_proposed_is_judged_though_tokens_are_used_up() -> None:
    spent = Spent(tokens=5000, cost_usd=9.0, since_better=9, barren_rounds=9)
    assert stop_before_judging(SETTINGS, spent) is None


def test_bounds_that_are_not_set_do_not_hold() -> None:
    spent = Spent(tokens=10**9, cost_usd=1e6, speedup=1e6, roofline_fraction=1.0)
    assert stop_before_round(AgentSettings(), spent) is None
    assert stop_before_round(AgentSettings(stop_at_floor=False), Spent(at_floor=True)) is None


def test_time_is_kept_for_a_champion_only() -> None:
    assert confirmation_reserve_s(5.0, has_champion=True) == 15.0
    assert confirmation_reserve_s(5.0, has_champion=False) == 0.0
