"""Which candidates are tuned, how long for, and which setting wins: pure, so that the rules can be read."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from agent.tree import Node
from agent.tuning.sampling import Tried

CLOSE = 2 / 3
"""Of the fastest candidate's speed-up, what one must reach to be tuned. By judgement, not measured: numbers chosen
badly seldom cost more than a third, and a structure that is slower still will not win by them.
"""
GAIN = 1.02
"""By so much a setting must be quicker than the defaults to be judged: less is noise of a quick measurement."""
SHARE = 0.5
"""Of the seconds that are left for tuning, what one candidate may take: the first one must not starve the others."""
FEWEST = 4
"""Settings there must be time for, or tuning is not begun."""

Try = dict[str, Any]
"""Data of a ``setting_tried`` event."""


def is_worth_tuning(node: Node, fastest: float) -> bool:
    """Whether numbers could make this candidate the best. ``fastest``: the highest speed-up so far, its own too."""
    return node.speedup is not None and node.at_floor is not True and node.speedup >= CLOSE * fastest


def allowance_s(budget_s: float, taken_s: Sequence[float]) -> float:
    """Seconds that the next candidate may be tuned for; 0 where that would not do. ``taken_s``: of every try so far."""
    share = SHARE * (budget_s - sum(taken_s))
    needed = FEWEST * sum(taken_s) / len(taken_s) if taken_s else 0.0
    return share if share > needed else 0.0


def to_tried(tries: Sequence[Try]) -> list[Tried]:
    """What the sampler needs to know."""
    return [Tried(tuple(one["values"].values()), one["speedup"]) for one in tries]


def run_off(winner: int) -> tuple[int, ...]:
    """Numbers of the settings that are measured again, in order: the defaults and the quickest, each as often first.

    The quickest of many is lucky as well as quick, and all that were tried before it met other moments of the machine.
    """
    return 0, winner, winner, 0


def latest(again: Sequence[Try], number: int) -> float | None:
    """A setting's speed-up as it was measured again; None where it was not, or failed."""
    found = [one["speedup"] for one in again if one["number"] == number]
    return median(found) if found and None not in found else None


def chosen(tries: Sequence[Try], judged: float, again: Sequence[Try] = ()) -> Try | None:
    """The quickest setting, or None where the defaults stay. ``judged``: the defaults' speed-up in their verdict, where
    the quick measurement of them failed; ``again``: of both, as ``run_off`` has it, as far as there was time.
    """
    right = [one for one in tries if one["speedup"] is not None]
    if not right:
        return None
    best = max(right, key=lambda one: (one["speedup"], -one["number"]))
    before = next((one["speedup"] for one in right if one["number"] == 0), judged)
    if not best["number"] or best["speedup"] < GAIN * before:
        return None
    if not {0, best["number"]} <= {one["number"] for one in again}:
        return best
    mine, theirs = latest(again, best["number"]), latest(again, 0)
    return best if mine is not None and (theirs is None or mine >= GAIN * theirs) else None
