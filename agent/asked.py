"""What somebody asked of a run while it went on, in words: the same for a terminal and in a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def asked_text(steered: Mapping[str, Any]) -> str:
    """The data of a ``steered`` event as a few words; whether it was refused is not among them."""
    kind = str(steered.get("kind", ""))
    if kind == "hint":
        return f"hint: {steered.get('text', '')}"
    if kind == "target":
        goal = steered.get("speedup")
        return "stop at no speed-up" if goal is None else f"stop at {goal:g}x"
    if kind == "limit" and steered.get("value") is not None:
        return f"{str(steered.get('limit', '')).replace('_', ' ')} {steered['value']:g}"
    return kind.replace("_", " ")
