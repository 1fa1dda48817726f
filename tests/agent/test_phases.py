"""Drafts, restarts and sight: the same for every policy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.policies.base import Pick
from agent.policies.phases import Phases, draft_number, plan_round
from agent.policies.registry import POLICIES, make_policy
from agent.policies.sight import MAX_VISIBLE, SIGHTS
from agent.tree import Node

DRAFT = Pick(None, (), kind="draft")
RESTART = Pick(None, (), kind="restart")
every_policy = pytest.mark.parametrize("name", sorted(POLICIES))


def node(name: str, parent: str | None = None, speedup: float | None = 1.5, **changes: Any) -> Node:
    facts: dict[str, Any] = {
        "id": name, "parent": parent, "round": 0, "slot": 0, "reason": None if speedup else "wrong_output",
        "status": "accepted" if speedup else "rejected", "speedup": speedup, "speedup_ci95": None, "faster": None,
        "strategy": "", "lesson": "", "source_artifact": "", "language": "cpp", "origin": "",
    }  # fmt: skip
    return Node(**{**facts, **changes})


def plan(name: str, phases: Phases, tree: list[Node], *, slots: int = 2, round_: int = 0) -> list[Pick]:
    return plan_round(make_policy(name), phases, tree, slots=slots, round_=round_, seed=0)


@every_policy
def test_drafts_come_first_and_see_nothing(name: str) -> None:
    phases = Phases(drafts=5)
    tree = [node("a")]
    assert plan(name, phases, []) == [DRAFT] * 2
    assert plan(name, phases, tree, round_=1) == [DRAFT] * 2
    third = plan(name, phases, tree, round_=2)
    assert third[0] == DRAFT
    assert third[1].kind == ""
    assert all(pick.kind == "" for pick in plan(name, phases, tree, round_=3))


def test_a_round_of_seeds_is_none_of_drafts() -> None:
    phases = Phases(drafts=2, first_round=1)
    assert plan("greedy", phases, [node("seed", kind="seed")], round_=1) == [DRAFT] * 2
    assert [pick.parent for pick in plan("greedy", phases, [node("seed", kind="seed")], round_=2)] == ["seed"] * 2


def test_every_draft_has_a_number_of_its_own() -> None:
    phases = Phases(drafts=3)
    numbers = [draft_number(phases, [], slots=2, round_=at // 2, slot=at % 2) for at in range(3)]
    assert numbers == [0, 1, 2]
    tree = [node("a"), node("r", kind="restart")]
    assert draft_number(phases, tree[:1], slots=2, round_=7, slot=1) == 3
    assert draft_number(phases, tree, slots=2, round_=9, slot=1) == 4


@every_policy
def test_a_stall_makes_one_slot_start_anew(name: str) -> None:
    phases = Phases(restart_after=3)
    tree = [node("best", speedup=2.0), node("a", "best"), node("b", "best")]
    assert RESTART not in plan(name, phases, tree, round_=2)
    picks = plan(name, phases, [*tree, node("c", "best")], round_=2)
    assert picks[1] == RESTART
    assert picks[0] != RESTART
    assert RESTART not in plan(name, Phases(), [*tree, node("c", "best")], round_=2)


@every_policy
def test_what_began_anew_grows_by_itself(name: str) -> None:
    phases = Phases(restart_after=3)
    tree = [node("best", speedup=2.0), *(node(one, "best") for one in "abc"), node("r", None, 0.5, kind="restart")]
    tree += [node("d", "best"), node("r1", "r", 0.6)]
    for round_ in range(5, 12):
        apart = plan(name, phases, tree, round_=round_)[1]
        assert set(apart.visible) <= {"r", "r1"}
        assert apart.parent in {"r", "r1", None}
    ended = plan(name, phases, [*tree, *(node(f"r{index}", "r1", 0.5) for index in range(2, 6))], round_=6)
    assert ended[1] == RESTART, "it stalls as well"
    overtaken = plan(name, phases, [*tree, node("r9", "r1", 2.5)], round_=6)
    assert all(pick.kind == "" for pick in overtaken)
    whole = make_policy(name).select([*tree, node("r9", "r1", 2.5)], slots=2, round_=6, seed=0)
    assert overtaken == whole, "it is the search itself now"


@pytest.mark.parametrize("sight", SIGHTS)
def test_sight(sight: Any) -> None:
    tree = [node("root", None, 1.1), node("x", None, 1.0), node("mid", "root", 1.5), node("best", "mid", 2.0)]
    tree += [node("child", "best", 1.9), node("other", "root", 1.2)]
    (pick,) = plan("greedy", Phases(sight=sight), tree, slots=1, round_=3)
    assert pick.parent == "best"
    expected = {
        "policy": [one.id for one in tree],
        "all": [one.id for one in tree],
        "parent": ["root", "mid", "best"],
        "siblings": ["best", "child"],
        "both": ["root", "mid", "best", "child"],
        "none": ["best"],
    }
    assert list(pick.visible) == expected[sight]


def test_no_more_is_shown_than_anybody_reads() -> None:
    tree = [node("best", speedup=9.0), *(node(f"n{index}", "best", 1 + index % 7) for index in range(600))]
    (pick,) = plan("greedy", Phases(), tree, slots=1, round_=300)
    assert len(pick.visible) <= MAX_VISIBLE + 1
    assert {"best", "n599", "n440"} <= set(pick.visible)
    assert list(pick.visible) == [one.id for one in tree if one.id in set(pick.visible)]


@every_policy
def test_rounds_are_planned_the_same_way_twice(name: str) -> None:
    phases = Phases(drafts=2, restart_after=4, sight="both")
    tree = [replace(node(f"n{index}", None, 1.5), round=index // 2, slot=index % 2) for index in range(60)]
    assert plan(name, phases, tree, round_=30, slots=4) == plan(name, phases, list(tree), round_=30, slots=4)
