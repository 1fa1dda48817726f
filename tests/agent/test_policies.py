"""The contract of ``agent.policies.base``, held against every policy, and what each does of its own."""

from __future__ import annotations

import random

import pytest

from agent.policies.base import Pick
from agent.policies.mcts import ROOT_WIDTH, MctsPolicy
from agent.policies.registry import POLICIES, make_policy
from agent.tree import Node
from tools.errors import RequestError


def node(name: str, parent: str | None = None, speedup: float | None = 1.5) -> Node:
    accepted = speedup is not None
    return Node(
        id=name,
        parent=parent,
        round=0,
        slot=0,
        status="accepted" if accepted else "rejected",
        reason=None if accepted else "wrong_output",
        speedup=speedup,
        speedup_ci95=None,
        faster=accepted,
        strategy="",
        lesson="",
        source_artifact="",
        language="cpp",
        origin="builtin",
    )


def grown(size: int, seed: int) -> list[Node]:
    """A tree as a search would leave it, every parent before its children."""
    chance = random.Random(seed)
    tree: list[Node] = []
    for index in range(size):
        parent = chance.choice([None, *(one.id for one in tree)])
        speedup = None if chance.random() < 0.4 else round(0.5 + 2 * chance.random(), 3)
        tree.append(node(f"n{index}", parent, speedup))
    return tree


TREES = {
    "empty": [],
    "one": [node("a")],
    "all rejected": [node(name, None, None) for name in "abcde"],
    "a chain": [node(str(index), str(index - 1) if index else None, 1 + index / 10) for index in range(12)],
    "siblings": [node(str(index), None, 1 + index / 100) for index in range(300)],
    "foreign parent": [node("a", "from another run"), node("b", "a")],
    **{f"grown {seed}": grown(40, seed) for seed in range(5)},
}


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES.keys())
@pytest.mark.parametrize("name", sorted(POLICIES))
class TestContract:
    def test_picks_are_well_formed(self, name: str, tree: list[Node]) -> None:
        ids = [one.id for one in tree]
        for slots in (1, 2, 5):
            picks = make_policy(name).select(tree, slots=slots, round_=3, seed=0)
            assert len(picks) == slots
            for pick in picks:
                assert isinstance(pick, Pick)
                assert pick.parent is None or pick.parent in pick.visible
                assert list(pick.visible) == [one for one in ids if one in pick.visible]

    def test_the_same_arguments_give_the_same_picks(self, name: str, tree: list[Node]) -> None:
        first = make_policy(name).select(tree, slots=4, round_=2, seed=7)
        policy = make_policy(name)
        policy.select(grown(10, 99), slots=3, round_=1, seed=1)
        random.seed(5)
        assert policy.select(tuple(tree), slots=4, round_=2, seed=7) == first

    def test_the_first_proposals_start_from_nothing(self, name: str, tree: list[Node]) -> None:
        picks = make_policy(name).select([], slots=2, round_=0, seed=0)
        assert picks == [Pick(None, ())] * 2


def test_unknown_policies_are_refused_with_the_known_ones() -> None:
    with pytest.raises(RequestError, match="evolution, greedy, mcts"):
        make_policy("random")


def test_greedy_expands_the_best() -> None:
    tree = [node("a", None, 1.2), node("b", "a", 1.9), node("c", "a", 1.9), node("d", "b", None)]
    picks = make_policy("greedy").select(tree, slots=2, round_=2, seed=0)
    assert picks == [Pick("b", ("a", "b", "c", "d"))] * 2


def test_greedy_mends_and_drafts_while_nothing_is_accepted() -> None:
    tree = [node("a", None, None), node("b", None, None)]
    picks = make_policy("greedy").select(tree, slots=3, round_=1, seed=0)
    assert [pick.parent for pick in picks] == ["b", None, None]


def test_mcts_drafts_before_it_descends() -> None:
    tree = [node(str(index), None, 1.5) for index in range(ROOT_WIDTH - 1)]
    picks = MctsPolicy().select(tree, slots=2, round_=1, seed=0)
    assert picks[0].parent is None
    assert picks[1].parent is not None, "the slot that drafts counts as a child already"


def test_mcts_spreads_parallel_slots() -> None:
    tree = [node(name, None, 1.5) for name in "abc"]
    picks = MctsPolicy().select(tree, slots=6, round_=1, seed=0)
    counts = {pick.parent: [one.parent for one in picks].count(pick.parent) for pick in picks}
    assert counts == {"a": 2, "b": 2, "c": 2}


def test_mcts_prefers_what_is_fast_and_leaves_what_is_not() -> None:
    tree = [node("slow", None, 0.5), node("fast", None, 4.0), node("wrong", None, None)]
    chosen = []
    for round_ in range(20):
        (pick,) = MctsPolicy().select(tree, slots=1, round_=round_, seed=0)
        chosen.append(pick.parent)
        tree.append(node(f"child {round_}", pick.parent, 4.0 if _below_fast(tree, pick.parent) else 0.5))
    below = [parent for parent in chosen if _below_fast(tree, parent)]
    assert chosen[0] == "fast"
    assert len(below) > 12
    assert chosen.count("wrong") <= 1


@pytest.mark.parametrize("seed", range(6))
def test_mcts_shows_ancestors_and_what_was_tried_from_the_same_place(seed: int) -> None:
    tree = grown(40, seed)
    by_id = {one.id: one for one in tree}
    for pick in MctsPolicy().select(tree, slots=5, round_=3, seed=seed):
        expected = {one.id for one in tree if one.parent == pick.parent}
        above = pick.parent
        while above is not None:
            expected.add(above)
            above = by_id[above].parent
        assert set(pick.visible) == expected


def _below_fast(tree: list[Node], name: str | None) -> bool:
    by_id = {one.id: one for one in tree}
    while name is not None:
        if name == "fast":
            return True
        name = by_id[name].parent
    return False
