"""Greedy: drafts from nothing in the first round, then always the best one so far."""

from __future__ import annotations

from collections.abc import Sequence

from agent.policies.base import PATIENCE, Pick
from agent.tree import Node, ranked


class GreedyPolicy:
    """Drafts first, then expands the best; every proposal sees all that was judged.

    Parallel slots share the parent: telling them apart is the model's task, which knows its slot's number.
    While nothing is accepted, the first slot mends the newest candidate and the others start anew.
    """

    def select(self, tree: Sequence[Node], *, slots: int, round_: int, seed: int) -> list[Pick]:
        """See ``SelectionPolicy.select``; neither the round nor the seed matters to this one."""
        visible = tuple(node.id for node in tree)
        best = ranked(tree)
        if best:
            chosen = next((node for node in best if node.fruitless < PATIENCE), best[0])
            return [Pick(chosen.id, visible)] * slots
        mended = tree[-1].id if tree else None
        return [Pick(mended if slot == 0 else None, visible) for slot in range(slots)]
