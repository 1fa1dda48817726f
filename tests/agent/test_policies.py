"""The contract of ``agent.policies.base``, held against every policy, and what each does of its own."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from agent.policies.base import Pick
from agent.policies.evolution import (
    MAX_ISLANDS,
    MIGRATION,
    SETTLING,
    EvolutionPolicy,
    cell_of,
    islands_after,
    populate,
)
from agent.policies.mcts import ROOT_WIDTH, WIDTH, MctsPolicy
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
                assert set(pick.inspirations) <= set(pick.visible) - {pick.parent}
                assert pick.parent is not None or not pick.inspirations
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


def test_greedy_turns_to_the_next_best_when_the_best_brings_nothing_new() -> None:
    tree = [node("a", None, 1.2), replace(node("b", "a", 1.9), fruitless=3)]
    assert make_policy("greedy").select(tree, slots=1, round_=2, seed=0)[0].parent == "a"
    tree[0] = replace(tree[0], fruitless=3)
    assert make_policy("greedy").select(tree, slots=1, round_=2, seed=0)[0].parent == "b"


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
    tree = [node(str(index), None, 1.5) for index in range(ROOT_WIDTH)]
    picks = MctsPolicy().select(tree, slots=2 * ROOT_WIDTH, round_=1, seed=0)
    counts = Counter(pick.parent for pick in picks)
    assert max(counts.values()) <= WIDTH
    assert {one.id for one in tree} <= set(counts)


def test_mcts_widens_where_nothing_below_is_better() -> None:
    tree = [node("top", None, 3.0), *(node(str(index), None, 1.0) for index in range(ROOT_WIDTH - 1))]
    for round_ in range(30):
        (pick,) = MctsPolicy().select(tree, slots=1, round_=round_, seed=0)
        tree.append(node(f"child {round_}", pick.parent, 1.5))
    assert sum(one.parent == "top" for one in tree) > 3 * WIDTH


def test_mcts_descends_to_what_is_fast_far_below() -> None:
    tree = [node(str(index), None, 1.5) for index in range(ROOT_WIDTH)]
    tree += [node("slow", "3", 1.0), node("slower", "3", 0.9), node("top", "slow", 3.0), node("flop", "slow", 0.8)]
    assert MctsPolicy().select(tree, slots=1, round_=4, seed=0)[0].parent == "top"


def test_mcts_leaves_what_brings_nothing_new() -> None:
    tree = [node("dry", None, 1.6), *(node(str(index), None, 1.5) for index in range(ROOT_WIDTH - 1))]
    assert MctsPolicy().select(tree, slots=1, round_=1, seed=0)[0].parent == "dry"
    tree[0] = replace(tree[0], fruitless=3)
    assert MctsPolicy().select(tree, slots=1, round_=1, seed=0)[0].parent != "dry"


def test_mcts_prefers_what_is_fast_and_leaves_what_is_not() -> None:
    tree = [node("slow", None, 0.5), node("fast", None, 4.0), node("wrong", None, None)]
    tree += [node(f"slow {index}", None, 0.5) for index in range(ROOT_WIDTH - 3)]
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


def kinds(size: int, seed: int = 0) -> list[Node]:
    """A run of ``size`` candidates of five kinds, two a round."""
    chance = random.Random(seed)
    return [
        replace(
            node(f"n{index}", None, round(1 + chance.random(), 4)),
            round=index // 2,
            slot=index % 2,
            traits=(chance.randrange(5),),
        )
        for index in range(size)
    ]


def test_evolution_builds_upon_slower_candidates_of_other_kinds() -> None:
    fast = [replace(node(f"f{index}", None, 2.0 + index / 100), traits=(1,)) for index in range(20)]
    slow = replace(node("slow", None, 1.1), traits=(2,))
    parents = [
        pick.parent
        for round_ in range(60)
        for pick in EvolutionPolicy().select([slow, *fast], slots=2, round_=round_, seed=0)
    ]
    assert {parent for parent in parents if parent} == {"slow", "f19"}
    assert parents.count("f19") > parents.count("slow") > 10


def test_evolution_crosses_kinds() -> None:
    tree = kinds(40)
    by_id = {one.id: one for one in tree}
    crossed = [
        pick
        for round_ in range(40)
        for pick in EvolutionPolicy().select(tree, slots=1, round_=round_, seed=0)
        if pick.inspirations
    ]
    assert 3 < len(crossed) < 30
    for pick in crossed:
        assert cell_of(by_id[pick.inspirations[0]]) != cell_of(by_id[pick.parent])


def test_the_roofline_tells_kinds_apart() -> None:
    one = node("a")
    assert len({cell_of(replace(one, roofline_fraction=share)) for share in (None, 0.1, 0.4, 0.9)}) == 4
    assert cell_of(replace(one, roofline_fraction=0.7)) == cell_of(replace(one, roofline_fraction=0.9))


def test_islands_open_one_after_another_and_share_their_best() -> None:
    assert [islands_after(count) for count in (0, SETTLING - 1, SETTLING, 10_000)] == [1, 1, 2, MAX_ISLANDS]
    tree = kinds(SETTLING + 2 * MIGRATION - 2)
    tree[10] = replace(tree[10], speedup=9.0)
    first, second = populate(tree)
    assert len(first.members) > SETTLING
    assert first.elites[0].id == "n10"
    assert all(one.speedup < 9.0 for one in second.elites), "nobody has migrated yet"
    _, second = populate([*tree, *kinds(400)[len(tree) : SETTLING + 2 * MIGRATION]])
    assert second.elites[0].id == "n10"
    assert "n10" not in {one.id for one in second.members}


def test_where_a_candidate_lives_does_not_change_as_the_tree_grows() -> None:
    tree = kinds(4 * SETTLING)
    homes: dict[str, int] = {}
    for size in range(2, len(tree) + 1, 34):
        for home, island in enumerate(populate(tree[:size])):
            for one in island.members:
                assert homes.setdefault(one.id, home) == home
