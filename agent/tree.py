"""The tree of judged candidates, as the event log tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

BETTER = 1.01
"""A later candidate must beat the champion by this factor to replace it: less is noise."""


@dataclass(frozen=True)
class Node:
    """One judged candidate in its place."""

    id: str
    parent: str | None
    round: int
    slot: int
    status: str
    """accepted or rejected; a candidate the judge could not judge is no node."""
    reason: str | None
    speedup: float | None
    speedup_ci95: tuple[float, float] | None
    faster: bool | None
    strategy: str
    lesson: str
    source_artifact: str
    language: str
    origin: str
    """Name of the model that wrote it, also when it came from memory."""
    roofline_fraction: float | None = None
    """Of its floor, what it reaches."""
    at_floor: bool | None = None
    """Whether nothing is left to win, for certain."""
    kind: str = ""
    """``draft``, ``restart``, ``seed`` or ``start`` where it began a line of its own, else empty."""
    inspirations: tuple[str, ...] = ()
    """Other candidates whose sources were shown beside the parent's."""
    traits: tuple[int, ...] = ()
    """What its source does (``tools.traits``); empty where nobody looked."""
    fruitless: int = 0
    """Proposals from it that brought nothing new: refusals, and candidates that were there already."""


def to_node(judged: dict[str, Any], lesson: str = "", fruitless: int = 0) -> Node:
    """A node from the data of a ``judged`` event, its lesson and what came of it.

    Reads the few fields it needs: a log of ten thousand verdicts is opened in a moment. What older logs do not
    say is as in ``Node``.
    """
    verdict = judged["verdict"]
    accepted = verdict["status"] == "accepted"
    interval = verdict.get("speedup_ci95") if accepted else None
    return Node(
        id=judged["candidate"],
        parent=judged["parent"],
        round=judged["round"],
        slot=judged["slot"],
        status=verdict["status"],
        reason=verdict.get("reason"),
        speedup=verdict.get("speedup") if accepted else None,
        speedup_ci95=None if interval is None else (interval[0], interval[1]),
        faster=verdict.get("faster") if accepted else None,
        strategy=judged["strategy"],
        lesson=lesson,
        source_artifact=judged["source_artifact"],
        language=judged["language"],
        origin=judged["origin"],
        roofline_fraction=verdict.get("roofline_fraction") if accepted else None,
        at_floor=verdict.get("at_floor") if accepted else None,
        kind=judged.get("kind", ""),
        inspirations=tuple(judged.get("inspirations", ())),
        traits=tuple(judged.get("traits", ())),
        fruitless=fruitless,
    )


def ranked(tree: Sequence[Node]) -> list[Node]:
    """Accepted candidates, fastest first; the earlier one of equals first."""
    accepted = [node for node in tree if node.status == "accepted" and node.speedup is not None]
    return sorted(accepted, key=lambda node: -(node.speedup or 0.0))


def better(node: Node, champion: Node | None) -> bool:
    """Whether ``node`` replaces ``champion``: accepted, and faster by more than noise."""
    if node.status != "accepted" or node.speedup is None:
        return False
    return champion is None or node.speedup > BETTER * (champion.speedup or 0.0)
