"""Monte Carlo tree search: UCT over the tree of candidates, with virtual losses for parallel slots.

UCT is Kocsis & Szepesvari 2006, "Bandit based Monte-Carlo planning": descend to the child with the highest mean
reward plus ``EXPLORATION * sqrt(ln(visits of the parent) / visits of the child)``. Virtual losses are those of
Chaslot et al. 2008, "Parallel Monte-Carlo tree search".
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.policies.base import Pick
from agent.tree import Node

EXPLORATION = 0.7
"""UCT's constant, for rewards between 0 and 1."""
ROOT_WIDTH = 3
"""Drafts from nothing before the tree below them is descended into."""
WIDTH = 2
"""Children a candidate gets before the search descends past it."""
JITTER = 1e-9
"""Breaks ties between equals, by the seed."""


@dataclass
class _Branch:
    """A candidate's place in the search; the root, whose node is None, stands for starting anew."""

    node: Node | None
    children: list[_Branch] = field(default_factory=list)
    visits: int = 0
    total: float = 0.0
    pending: int = 0
    """Slots of this round that expand it, and proposals from it that came to nothing: each counts as a child, and
    as a visit that paid nothing."""


class MctsPolicy:
    """UCT. A reward is the squashed speed-up of a candidate, passed up to all its ancestors.

    A candidate is expanded until it has ``WIDTH`` children; then the search descends to the child with the
    highest upper bound. A rejected candidate is worth nothing but can be mended once.
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


def reward(node: Node) -> float:
    """0 for a rejected candidate, 0.5 at the baseline's speed, towards 1 as the speed-up grows."""
    if node.speedup is None or node.speedup <= 0:
        return 0.0
    return node.speedup / (1.0 + node.speedup)


def _grow(tree: Sequence[Node]) -> tuple[_Branch, dict[str, _Branch]]:
    root = _Branch(None)
    by_id: dict[str, _Branch] = {}
    above: list[_Branch] = []
    for node in tree:
        # What came to nothing counts as a child that paid nothing, or a policy would ask for it for ever.
        branch = _Branch(node, visits=1 + node.fruitless, total=reward(node), pending=node.fruitless)
        parent = root if node.parent is None else by_id.get(node.parent, root)
        parent.children.append(branch)
        above.append(parent)
        by_id[node.id] = branch
    # Parents come before their children: from the end, every branch is whole before it is added to its parent.
    for node, parent in zip(reversed(tree), reversed(above), strict=True):
        branch = by_id[node.id]
        parent.visits += branch.visits
        parent.total += branch.total
    return root, by_id


def _descend(root: _Branch, chance: random.Random) -> list[_Branch]:
    """The path from the root to the branch to expand."""
    path = [root]
    while True:
        branch = path[-1]
        if len(branch.children) + branch.pending < _width(branch) or not branch.children:
            return path
        path.append(max(branch.children, key=lambda child: _bound(child, branch.visits, chance)))


def _width(branch: _Branch) -> int:
    if branch.node is None:
        return ROOT_WIDTH
    return WIDTH if branch.node.status == "accepted" else 1


def _bound(branch: _Branch, above: int, chance: random.Random) -> float:
    mean = branch.total / branch.visits if branch.visits else 0.0
    spread = EXPLORATION * math.sqrt(math.log(max(above, 1) + 1) / max(branch.visits, 1))
    return mean + spread + JITTER * chance.random()


def _pick(path: list[_Branch], by_id: dict[str, _Branch]) -> Pick:
    """Show the ancestors, and everything that was tried from the same place."""
    chosen = path[-1]
    shown = {branch.node.id for branch in (*path, *chosen.children) if branch.node is not None}
    parent = None if chosen.node is None else chosen.node.id
    return Pick(parent, tuple(name for name in by_id if name in shown))
