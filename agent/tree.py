"""The tree of judged candidates, as the event log tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.verdict import Verdict

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


def to_node(judged: dict[str, Any], lesson: str = "") -> Node:
    """A node from the data of a ``judged`` event and its lesson."""
    verdict = Verdict.from_json(judged["verdict"])
    accepted = verdict.status == "accepted"
    return Node(
        id=judged["candidate"],
        parent=judged["parent"],
        round=judged["round"],
        slot=judged["slot"],
        status=verdict.status,
        reason=verdict.reason,
        speedup=verdict.speedup if accepted else None,
        speedup_ci95=verdict.speedup_ci95 if accepted else None,
        faster=verdict.faster if accepted else None,
        strategy=judged["strategy"],
        lesson=lesson,
        source_artifact=judged["source_artifact"],
        language=judged["language"],
        origin=judged["origin"],
        roofline_fraction=verdict.roofline_fraction if accepted else None,
        at_floor=verdict.at_floor if accepted else None,
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
