"""Rows of training data: one JSON object each, in one of three forms, always in the same order.

``sft`` one conversation; ``preferences`` two that began alike, the better one and the worse one; ``groups`` all
that began alike, with their rewards. docs/training-data.md says what every field is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from agent.trajectories.reading import Trajectory

Form = Literal["sft", "preferences", "groups"]
Row = dict[str, Any]

SCHEMAS: dict[Form, str] = {
    "sft": "kernelwright.sft/1",
    "preferences": "kernelwright.preferences/1",
    "groups": "kernelwright.groups/1",
}


def to_rows(
    form: Form, trajectories: Iterable[Trajectory], *, with_rejected: bool = False, with_cheats: bool = False
) -> list[Row]:
    """Rows of a form, in the order of the trajectories; the two flags are about ``sft``."""
    told = list(trajectories)
    if form == "sft":
        return [_conversation(one) for one in told if _is_taught(one, rejected=with_rejected, cheats=with_cheats)]
    groups = _alike(told)
    if form == "preferences":
        return [_pair(better, worse) for group in groups for better, worse in _pairs(group)]
    return [_group(group) for group in groups]


def reward(one: Trajectory) -> float:
    """0 for what was not accepted, else the natural logarithm of the speed-up: below 0 for what is slower."""
    return math.log(one.speedup) if one.status == "accepted" and one.speedup else 0.0


def preferred(better: Trajectory, worse: Trajectory) -> Literal["verdict", "speedup"] | None:
    """Why one is to be chosen before the other, or None: by its verdict, or by a speed-up beyond noise."""
    if better.status != "accepted":
        return None
    if worse.status == "rejected":
        return "verdict"
    if worse.status != "accepted" or better.speedup_ci95 is None or worse.speedup_ci95 is None:
        return None
    return "speedup" if better.speedup_ci95[0] > worse.speedup_ci95[1] else None


def _is_taught(one: Trajectory, *, rejected: bool, cheats: bool) -> bool:
    if not one.first:
        return False
    if one.cheated:
        return cheats
    return one.status == "accepted" or (rejected and one.status == "rejected")


def _alike(trajectories: Sequence[Trajectory]) -> list[list[Trajectory]]:
    """Those that began alike together; what was never judged is held against nobody and left out."""
    groups: dict[str, list[Trajectory]] = {}
    for one in trajectories:
        if one.status != "unjudged":
            groups.setdefault(one.prompt_state, []).append(one)
    return list(groups.values())


def _pairs(group: Sequence[Trajectory]) -> Iterator[tuple[Trajectory, Trajectory]]:
    for better in group:
        for worse in group:
            if better.candidate != worse.candidate and preferred(better, worse) is not None:
                yield better, worse


def _conversation(one: Trajectory) -> Row:
    facts = {**_about(one), **_facts(one)}
    return {"schema": SCHEMAS["sft"], "messages": list(one.messages), "tools": list(one.tools), "metadata": facts}


def _pair(better: Trajectory, worse: Trajectory) -> Row:
    return {
        "schema": SCHEMAS["preferences"],
        "prompt": list(better.prompt),
        "chosen": list(better.completion),
        "rejected": list(worse.completion),
        "tools": list(better.tools),
        "metadata": {
            **_about(better),
            "prompt_state": better.prompt_state,
            "by": preferred(better, worse),
            "chosen": _facts(better),
            "rejected": _facts(worse),
        },
    }


def _group(group: Sequence[Trajectory]) -> Row:
    first = group[0]
    return {
        "schema": SCHEMAS["groups"],
        "prompt": list(first.prompt),
        "completions": [list(one.completion) for one in group],
        "rewards": [reward(one) for one in group],
        "tools": list(first.tools),
        "metadata": {
            **_about(first),
            "prompt_state": first.prompt_state,
            "members": [_facts(one) for one in group],
        },
    }


def _about(one: Trajectory) -> Row:
    """What all conversations of a row have in common."""
    names = ("run_id", "problem", "target", "language", "version", "round", "parent")
    return {name: getattr(one, name) for name in names}


def _facts(one: Trajectory) -> Row:
    """What one conversation came to."""
    interval = one.speedup_ci95
    return {
        "slot": one.slot,
        "model": one.model,
        "candidate": one.candidate,
        "strategy": one.strategy,
        "verdict": one.status,
        "reason": one.reason,
        "cheated": one.cheated,
        "speedup": one.speedup,
        "speedup_ci95": None if interval is None else list(interval),
        "faster": one.faster,
        "confirmed": one.confirmed,
    }
