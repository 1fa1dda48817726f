"""Which model is asked next."""

from __future__ import annotations

import random

import pytest

from agent.events import Event
from agent.ledger import Ledger
from agent.models.bandit import ACCEPTED, Play, ranking, reward
from agent.models.roster import Roster, exhausted


def play(model: str, pay: float, cost: float | None = 1.0, tokens: int = 100) -> Play:
    return Play(model, pay, cost, tokens)


def simulate(arms: dict[str, tuple[float, float | None, int]], rounds: int, seed: int) -> dict[str, int]:
    """How often each arm (chance of a reward, dollars, tokens) is played."""
    world, past = random.Random(seed), []
    for number in range(rounds):
        name = ranking(list(arms), past, round_=number, slot=0, seed=seed)[0]
        chance, cost, tokens = arms[name]
        past.append(play(name, float(world.random() < chance), cost, tokens))
    return {name: sum(one.model == name for one in past) for name in arms}


@pytest.mark.parametrize(
    ("speedup", "best", "earned"),
    [
        (None, None, 0.0),
        (2.0, None, 1.0),
        (0.5, None, ACCEPTED),
        (3.0, 3.0, ACCEPTED),
        (6.0, 3.0, 1.0),
        (99.0, 2.0, 1.0),
    ],
)
def test_doubling_the_best_earns_one(speedup, best, earned):
    assert reward(speedup, best) == earned


def test_half_way_in_the_logarithm_earns_a_half():
    assert reward(3.0 * 2**0.5, 3.0) == pytest.approx(0.5)


def test_everybody_is_asked_once_first():
    names = ["a", "b", "c"]
    assert [ranking(names, [], round_=0, slot=slot, seed=0)[0] for slot in range(3)] == names
    past = [play("a", 1.0), play("c", 0.0)]
    for seed in range(20):
        assert ranking(names, past, round_=1, slot=0, seed=seed)[0] == "b"


def test_the_choice_is_a_function_of_the_past_and_the_seed():
    past = [play("a", 0.3), play("b", 0.4), play("a", 0.1)]
    orders = [tuple(ranking(["a", "b"], past, round_=3, slot=slot, seed=7)) for slot in range(40)]
    assert orders == [tuple(ranking(["a", "b"], past, round_=3, slot=slot, seed=7)) for slot in range(40)]
    assert len(set(orders)) == 2, "slots draw for themselves"


def test_the_better_of_two_that_cost_the_same_gets_most():
    played = [simulate({"good": (0.7, 1.0, 1), "bad": (0.1, 1.0, 1)}, 200, seed) for seed in range(5)]
    assert min(one["good"] for one in played) > 140


def test_the_cheaper_of_two_that_are_as_good_gets_most():
    played = [simulate({"dear": (0.5, 1.0, 1), "cheap": (0.5, 0.1, 1)}, 200, seed) for seed in range(5)]
    assert min(one["cheap"] for one in played) > 140


def test_a_dear_model_that_earns_its_cost_is_kept():
    """Ten times the reward for twice the money."""
    played = [simulate({"dear": (0.8, 1.0, 1), "cheap": (0.08, 0.5, 1)}, 300, seed) for seed in range(5)]
    assert min(one["dear"] for one in played) > 200


def test_tokens_count_where_a_price_is_unknown():
    played = simulate({"long": (0.5, None, 1000), "short": (0.5, 5.0, 50)}, 200, 1)
    assert played["short"] > 140


def test_a_model_that_costs_and_brings_nothing_does_not_win_for_ever():
    played = simulate({"free": (0.0, 0.0, 0), "paid": (0.9, 1.0, 100)}, 400, 3)
    assert played["paid"] > 100


def test_proposals_that_took_nothing_at_all_do_no_harm():
    assert set(ranking(["a", "b"], [play("a", 0.0, None, 0)], round_=1, slot=1, seed=0)) == {"a", "b"}


# From the log


def proposed(round_: int, slot: int, origin: str, **more) -> Event:
    data = {
        "round": round_, "slot": slot, "origin": origin, "candidate": None, "needs_language_model": False,
        "transcript": "t", "tokens": 100, "cost_usd": 1.0, **more,
    }  # fmt: skip
    return Event(0, "", 0.0, "proposed", data)


NAMES = ("a", "b")


def choose(events, round_: int, slot: int, seed: int) -> str:
    roster = Roster.plain({"a": object(), "b": object()})
    return roster.choose(Ledger(events), round_=round_, slot=slot, seed=seed)


def test_what_another_slot_of_the_round_has_done_already_changes_nothing():
    """It may or may not have been done: the slots run in parallel, and a kill may come between them."""
    before = [proposed(0, 0, "a"), proposed(0, 1, "b")]
    for seed in range(40):
        alone = choose(before, 1, 1, seed)
        assert choose([*before, proposed(1, 0, "a", tokens=10**6, cost_usd=99.0)], 1, 1, seed) == alone
        assert choose([*before, proposed(1, 0, alone, capped="max_cost")], 1, 1, seed) == alone


def test_a_model_that_can_bring_nothing_more_is_left_out():
    events = [proposed(0, 0, "a", capped="max_cost"), proposed(0, 1, "b")]
    assert {choose(events, 1, slot, seed) for slot in range(2) for seed in range(20)} == {"b"}
    simple = [proposed(0, 0, "a", needs_language_model=True), proposed(0, 1, "b")]
    assert {choose(simple, 1, 0, seed) for seed in range(20)} == {"b"}
    assert exhausted(Ledger(simple), NAMES) == {"a": "needs_language_model"}


def test_what_memory_brought_is_nobodys_proposal():
    seeds = [proposed(0, slot, "b", transcript=None, tokens=0, cost_usd=0.0) for slot in range(3)]
    assert [choose(seeds, 1, slot, 0) for slot in range(2)] == ["a", "b"], "both are still to be tried"
