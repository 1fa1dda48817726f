"""What a prompt leaves out when it is too long: pure, so that the rule can be read and tested by itself.

A part has several versions, the fullest first. Parts are shortened in the order in which they are given, each to its
shortest version before the next one is touched; what is no part (the rules, the problem) is never shortened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """Something that may be told at different lengths."""

    name: str
    versions: tuple[str, ...]
    """Fullest first; never empty."""


def fit(parts: Sequence[Part], budget: int | None) -> dict[str, str]:
    """The text of each part, together at most ``budget`` characters where that can be done.

    None is no limit. What does not fit even at its shortest is told at its shortest.
    """
    chosen = {part.name: part.versions[0] for part in parts}
    if budget is None:
        return chosen
    excess = sum(map(len, chosen.values())) - budget
    for part in parts:
        for shorter in part.versions[1:]:
            if excess <= 0:
                return chosen
            if len(shorter) >= len(chosen[part.name]):
                continue
            excess -= len(chosen[part.name]) - len(shorter)
            chosen[part.name] = shorter
    return chosen
