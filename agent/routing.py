"""Where the run goes next: pure functions of the state."""

from __future__ import annotations

from typing import Literal

from langgraph.types import Send

from agent.state import RunState


def begin(state: RunState) -> Literal["recall", "confirm"]:
    """After baselines: the search, unless nothing is left to win."""
    return "recall" if state["stop_reason"] is None else "confirm"


def fan_out(state: RunState) -> list[Send] | Literal["judge", "confirm"]:
    """After select: one branch a slot; straight to the judge with what memory proposed; or no further."""
    if state["stop_reason"] is not None:
        return "confirm"
    if not state["picks"]:
        return "judge"
    return [Send("propose", pick) for pick in state["picks"]]


def go_on(state: RunState) -> Literal["select", "confirm"]:
    """After record: another round, or the end of the search."""
    return "select" if state["stop_reason"] is None else "confirm"
