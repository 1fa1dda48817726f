"""Evolution: islands with migration, each with an archive of the best candidate of every kind.

The archive is MAP-Elites (Mouret & Clune 2015, "Illuminating search spaces by mapping elites"): one cell for
each kind of candidate, kept by the fastest of its kind, so that a slower kernel of another kind survives to be
built upon. Islands with migration along a ring are those of parallel genetic algorithms (Cohoon et al. 1987,
"Punctuated equilibria"; Tanese 1989, "Distributed genetic algorithms"). Mutation and crossover are the model's:
a pick names one parent, or two.

Nothing is kept between calls. Which island a candidate belongs to follows from its round and slot, who has
migrated from how many candidates there were, cells and elites from the candidates.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent.policies.base import PATIENCE, Pick
from agent.policies.sight import in_order, lineage
from agent.tree import Node

MAX_ISLANDS = 4
SETTLING = 128
"""Candidates after which another island opens: a small budget is not spread thin, a large one does not converge."""
MIGRATION = 32
"""Candidates between two migrations, for each island."""
GREED = 0.45
"""Each elite is chosen this many times as often as the next faster one."""
CROSSOVER = 0.3
"""Share of proposals with a second parent, where there is one."""
FRESH = 0.06
"""Share of proposals that start anew in an island that has something to build upon."""
MENDING = 0.1
"""Share of proposals that mend the newest rejected candidate, where there is a recent one that nobody mended."""
RECENT = 4
FAR, NEAR = 0.6, 0.3
"""Of the roofline: kernels close to it and far from it want different changes."""

Cell = tuple[str, tuple[int, ...], int]


def cell_of(node: Node) -> Cell:
    """Its kind: language, what its source does, and how far from the roofline it is."""
    near = -1 if node.roofline_fraction is None else (node.roofline_fraction >= NEAR) + (node.roofline_fraction >= FAR)
    return node.language, node.traits, near


def islands_after(count: int) -> int:
    """Islands that are open once so many candidates were judged."""
    return min(MAX_ISLANDS, 1 + count // SETTLING)


@dataclass
class Island:
    """One population, as the tree tells it."""

    members: list[Node]
    """Its own, in the order of judging."""
    elites: list[Node]
    """The fastest of each kind, migrants included; the fastest first."""


class EvolutionPolicy:
    """Islands in turn; within one, a parent by rank among the elites, now and then a second one.

    An island begins with a draft. Where nothing is accepted yet, it mends the newest candidate and drafts in
    turn. Elites from which much was tried are chosen less often.
    """

    def select(self, tree: Sequence[Node], *, slots: int, round_: int, seed: int) -> list[Pick]:
        """See ``SelectionPolicy.select``."""
        # A pure function of its arguments: the same round of the same run draws the same numbers.
        chance = random.Random(f"{seed}/{round_}/{len(tree)}")  # noqa: S311 - a search, not a secret
        islands = populate(tree)
        children = Counter(node.parent for node in tree if node.parent is not None)
        for node in tree:
            children[node.id] += node.fruitless
        by_id = {node.id: node for node in tree}
        picks = []
        for slot in range(slots):
            island = islands[(round_ + slot) % len(islands)]
            parents = _breed(island, children, chance)
            for parent in parents[:1]:
                # What one slot expands is less attractive to the next ones: they run at once and see the same.
                children[parent.id] += 1
            picks.append(_pick(tree, by_id, island, parents))
        return picks


def populate(tree: Sequence[Node]) -> list[Island]:
    """Islands as they are after the last migration and what was judged since.

    Slots take the islands in turn, and begin with another one in every round; so a candidate's island follows from
    its round and slot, and from how many islands were open when its round began.
    """
    members: list[list[Node]] = [[] for _ in range(MAX_ISLANDS)]
    archives: list[dict[Cell, Node]] = [{} for _ in range(MAX_ISLANDS)]
    best: list[Node | None] = [None] * MAX_ISLANDS
    opened, round_ = 1, -1
    for count, node in enumerate(tree):
        if node.round != round_:
            round_, opened = node.round, islands_after(count)
        home = (node.round + node.slot) % opened
        members[home].append(node)
        if node.speedup is not None:
            _settle(archives[home], node)
            champion = best[home]
            if champion is None or node.speedup > (champion.speedup or 0.0):
                best[home] = node
        if (count + 1) % (MIGRATION * opened) == 0:
            travelling = best[:opened]
            for index, migrant in enumerate(travelling):
                if migrant is not None:
                    _settle(archives[(index + 1) % opened], migrant)
    opened = islands_after(len(tree))
    ranked = [sorted(cells.values(), key=lambda one: -(one.speedup or 0.0)) for cells in archives]
    return [Island(own, elites) for own, elites in zip(members[:opened], ranked[:opened], strict=True)]


def _settle(archive: dict[Cell, Node], node: Node) -> None:
    """Put an accepted candidate into its cell if it is the fastest there."""
    there = archive.get(cell := cell_of(node))
    if there is None or (node.speedup or 0.0) > (there.speedup or 0.0):
        archive[cell] = node


def _breed(island: Island, children: Counter[str], chance: random.Random) -> list[Node]:
    """The parents of one proposal: none to start anew, one, or two."""
    broken = [node for node in island.members[-RECENT:] if node.status != "accepted" and not children[node.id]]
    if not island.elites:
        return broken[-1:] if broken and chance.random() < 0.5 else []
    lot = chance.random()
    if lot < FRESH:
        return []
    if broken and lot < FRESH + MENDING:
        return broken[-1:]
    first = _draw(island.elites, children, chance)
    others = [node for node in island.elites if node.id != first.id]
    if others and chance.random() < CROSSOVER:
        return [first, _draw(others, Counter(), chance)]
    return [first]


def _draw(elites: Sequence[Node], children: Counter[str], chance: random.Random) -> Node:
    """By rank, and less often the more was tried from it."""
    fertile = [node for node in elites if node.fruitless < PATIENCE] or list(elites)
    weights = [GREED**rank / (1 + children[node.id]) ** 0.5 for rank, node in enumerate(fertile)]
    return chance.choices(fertile, weights)[0]


def _pick(tree: Sequence[Node], by_id: dict[str, Node], island: Island, parents: Sequence[Node]) -> Pick:
    """Show the ancestors, what was tried from the same place, and the second parent."""
    if not parents:
        return Pick(None, tuple(node.id for node in island.members if node.parent is None))
    parent = parents[0].id
    others = tuple(node.id for node in parents[1:])
    shown = {*lineage(by_id, parent), *others, *(node.id for node in tree if node.parent == parent)}
    return Pick(parent, in_order(tree, shown), others)
