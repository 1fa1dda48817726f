"""What a proposal sees of the tree: the search's memory operator, by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, get_args

from agent.policies.base import Pick
from agent.tree import Node

Sight = Literal["policy", "parent", "siblings", "both", "all", "none"]
"""``policy``: as the policy chose. ``parent``: the line of ancestors. ``siblings``: what was tried from the same
place. ``both`` of these, ``all`` candidates, or ``none``. The parent itself is always seen, or there would be
nothing to change."""
SIGHTS: tuple[str, ...] = get_args(Sight)
MAX_VISIBLE = 200
"""More lines than this are no help; the fastest and the newest are the most telling."""
KEPT_FASTEST = 40
MAX_LINEAGE = 64
"""Ancestors, the nearest: what lies further back has been built upon."""


def lineage(by_id: Mapping[str, Node], name: str | None) -> list[str]:
    """A candidate and its ancestors, the nearest first."""
    line: list[str] = []
    while name is not None and name in by_id and len(line) < MAX_LINEAGE and name not in line:
        line.append(name)
        name = by_id[name].parent
    return line


def apply_sight(sight: Sight, tree: Sequence[Node], pick: Pick) -> Pick:
    """The pick with what it sees as ``sight`` says."""
    if sight == "policy" or pick.kind:
        return pick
    shown = set(pick.inspirations)
    if pick.parent is not None:
        shown.add(pick.parent)
    if sight == "all":
        shown.update(node.id for node in tree)
    if sight in ("parent", "both"):
        shown.update(lineage({node.id: node for node in tree}, pick.parent))
    if sight in ("siblings", "both"):
        shown.update(node.id for node in tree if node.parent == pick.parent)
    return Pick(pick.parent, in_order(tree, shown), pick.inspirations)


def in_order(tree: Sequence[Node], shown: Collection[str]) -> tuple[str, ...]:
    """Ids as the tree has them."""
    return tuple(node.id for node in tree if node.id in shown)


def most_telling(tree: Sequence[Node], pick: Pick) -> Pick:
    """The pick with no more visible than anybody reads: its parents, the fastest and the newest stay."""
    if len(pick.visible) <= MAX_VISIBLE:
        return pick
    wanted = set(pick.visible)
    nodes = [node for node in tree if node.id in wanted]
    kept = {pick.parent, *pick.inspirations}
    older = nodes[: -(MAX_VISIBLE - KEPT_FASTEST)]
    fastest = sorted(range(len(older)), key=lambda index: (-(older[index].speedup or 0.0), index))
    kept.update(older[index].id for index in fastest[:KEPT_FASTEST])
    newest = {node.id for node in nodes[len(older) :]}
    return Pick(
        pick.parent, tuple(node.id for node in nodes if node.id in kept or node.id in newest), pick.inspirations
    )
