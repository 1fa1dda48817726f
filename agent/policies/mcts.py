"""Monte Carlo tree search: UCT over the tree of candidates, with virtual losses for parallel slots.

UCT is Kocsis & Szepesvari 2006, "Bandit based Monte-Carlo planning": descend to the child with the highest value
plus ``EXPLORATION * sqrt(ln(visits of the parent) / visits of the child)``. Two things differ. A branch is worth
its best reward, not its mean: one kernel is searched for, not a strategy that pays on average. And another child
of the same candidate is an arm of its own, worth what the candidate is, as in Inoue et al. 2025, "Wider or deeper?":
near an optimum few changes are right, and no fixed width is enough. Virtual losses are those of Chaslot et al.
2008, "Parallel Monte-Carlo tree search".
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.policies.base import PATIENCE, Pick
from agent.tree import Node

EXPLORATION = 0.05
"""UCT's constant, for rewards between 0 and 1."""
ROOT_WIDTH = 5
"""Drafts from nothing before the tree below them is descended into."""
WIDTH = 2
"""Children a candidate gets at least before the search descends past it."""
SLOWEST = 0.2
"""Reward of the slowest accepted candidate."""
JITTER = 1e-9
"""Breaks ties between equals, by the seed."""


@dataclass
class _Branch:
    """A candidate's place in the search; the root, whose node is None, stands for starting anew."""

    node: Node | None
    children: list[_Branch] = field(default_factory=list)
    visits: int = 0
    own: float = 0.0
    """Its own reward."""
    best: float = 0.0
    """The highest in it."""
    pending: int = 0
    """Slots of this round that expand it, and proposals from it that came to nothing: each counts as a child, and
    as a visit that paid nothing."""


class MctsPolicy:
    """UCT. A reward is how fast a candidate is among those of this run; a branch is worth its highest one.

    A candidate is expanded until it has ``WIDTH`` children; from then on the search descends to the child with
    the highest upper bound where that is higher than the bound of another child. A rejected candidate is worth
    nothing but can be mended once.
    """

    def select(self, tree: Sequence[Node], *, slots: int, round_: int, seed: int) -> list[Pick]:
        """See ``SelectionPolicy.select``."""
        root, by_id = _grow(tree)
        # A pure function of its arguments: the same round of the same run draws the same numbers.
        chance = random.Random(f"{seed}/{round_}/{len(tree)}")  # noqa: S311 - a search, not a secret
        picks = []
        for _ in range(slots):
            path = _descend(root, chance)
            for branch in path:
                branch.visits += 1
            path[-1].pending += 1
            picks.append(_pick(path, by_id))
        return picks


def rewards(tree: Sequence[Node]) -> list[float]:
    """1 for the fastest candidate so far, ``SLOWEST`` for the slowest accepted one, logarithmic in between.

    0 for rejected ones. UCT wants rewards that fill the range from 0 to 1, and speed-ups of one problem may lie
    all between 1.0 and 1.2.
    """
    known = [node.speedup for node in tree if node.speedup is not None and node.speedup > 0]
    low, high = math.log(min(known, default=1.0)), math.log(max(known, default=1.0))
    scale = (1.0 - SLOWEST) / (high - low) if high > low else 0.0
    return [
        0.0 if node.speedup is None or node.speedup <= 0 else 1.0 - (high - math.log(node.speedup)) * scale
        for node in tree
    ]


def _grow(tree: Sequence[Node]) -> tuple[_Branch, dict[str, _Branch]]:
    root = _Branch(None)
    by_id: dict[str, _Branch] = {}
    above: list[_Branch] = []
    for node, earned in zip(tree, rewards(tree), strict=True):
        reward = earned if node.fruitless < PATIENCE else 0.0
        # What came to nothing counts as a child that paid nothing.
        branch = _Branch(node, visits=1 + node.fruitless, own=reward, best=reward, pending=node.fruitless)
        parent = root if node.parent is None else by_id.get(node.parent, root)
        parent.children.append(branch)
        above.append(parent)
        by_id[node.id] = branch
    # Parents come before their children: from the end, every branch is whole before it is added to its parent.
    for node, parent in zip(reversed(tree), reversed(above), strict=True):
        branch = by_id[node.id]
        parent.visits += branch.visits
        parent.best = max(parent.best, branch.best)
    return root, by_id


def _descend(root: _Branch, chance: random.Random) -> list[_Branch]:
    """The path from the root to the branch to expand."""
    path = [root]
    while True:
        branch = path[-1]
        width = len(branch.children) + branch.pending
        if not branch.children or width < _least_width(branch):
            return path
        child = max(branch.children, key=lambda one: _bound(one.best, one.visits, branch.visits, chance))
        below = _bound(child.best, child.visits, branch.visits, chance)
        if _bound(_again(branch), width, branch.visits, chance) >= below:
            return path
        path.append(child)


def _least_width(branch: _Branch) -> int:
    if branch.node is None:
        # Who brought a kernel wants that one to be built upon.
        started = any(one.node is not None and one.node.kind == "start" and one.own > 0 for one in branch.children)
        return 1 if started else ROOT_WIDTH
    return WIDTH if branch.node.status == "accepted" else 1


def _again(branch: _Branch) -> float:
    """What another child is expected to be worth: as much as its parent; a draft, as much as the drafts."""
    if branch.node is not None:
        return branch.own
    return sum(child.own for child in branch.children) / (len(branch.children) + branch.pending)


def _bound(worth: float, visits: int, above: int, chance: random.Random) -> float:
    return worth + EXPLORATION * math.sqrt(math.log(max(above, 1) + 1) / max(visits, 1)) + JITTER * chance.random()


def _pick(path: list[_Branch], by_id: dict[str, _Branch]) -> Pick:
    """Show the ancestors, and everything that was tried from the same place."""
    chosen = path[-1]
    shown = {branch.node.id for branch in (*path, *chosen.children) if branch.node is not None}
    parent = None if chosen.node is None else chosen.node.id
    return Pick(parent, tuple(name for name in by_id if name in shown))
