"""The selection policy's contract.

A search is fitness, selection, operator and termination over a tree that only grows. Fitness is the judge's
speed-up (``agent.tree``), the operator is the model, termination is ``agent.budget``. Selection is this: a
policy chooses the parents of a round's proposals from the tree of judged candidates, and what each proposal
may see of it. What every policy promises (``tests/agent/test_policies.py`` holds them to it):

* it is a pure function of its arguments: no clock, no global random state, no memory of earlier calls, so
  that a resumed run chooses as an unbroken one would; populations, archives and the like are derived anew
  from the tree;
* it returns exactly ``slots`` picks, in the order of the slots;
* a parent is None (start anew) or the id of a candidate in the tree; what is visible is in the tree, oldest
  first, and includes the parent and the inspirations;
* any tree is fine: empty, all rejected, a chain, hundreds of siblings;
* its time grows with the number of candidates, no faster.

Drafts, restarts and what a person fixed about sight are the same for every policy: ``agent.policies.phases``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.tree import Node

PATIENCE = 3
"""Proposals from one candidate that may come to nothing before others have their turn."""


@dataclass(frozen=True)
class Pick:
    """What one proposal starts from."""

    parent: str | None
    """Candidate id, or None to start anew."""
    visible: tuple[str, ...]
    """Candidate ids the proposal may see, oldest first."""
    inspirations: tuple[str, ...] = ()
    """Further candidates whose sources are shown in full: the other parents of a crossover."""
    kind: str = ""
    """``draft`` or ``restart`` for one that must not see anything, what memory recalls included."""


class SelectionPolicy(Protocol):
    """Chooses parents. See the module's text for what is promised."""

    def select(self, tree: Sequence[Node], *, slots: int, round_: int, seed: int) -> list[Pick]:
        """Picks for round number ``round_`` (0-based), one a slot. ``tree`` is in the order of judging."""
