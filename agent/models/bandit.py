"""Which model writes the next proposal: Thompson sampling on what a model earns for what it costs.

Budgeted Thompson sampling (Y. Xia, H. Li, T. Qin, N. Yu, T.-Y. Liu, "Thompson Sampling for Budgeted Multi-Armed
Bandits", IJCAI 2015): of every arm draw a reward from Beta(1 + sum r, 1 + sum (1 - r)) and a cost from
Beta(1 + sum c, 1 + sum (1 - c)), and play the arm with the largest ratio. Rewards and costs lie in [0, 1]; where
the paper turns them into coin tosses, the sums are taken as they are. Every arm is played once first.

Pure: the same past, round, slot and seed give the same choice, so that a resumed run chooses as an unbroken one.
The slots of a round are filled from the past before the round, each with draws of its own.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

ACCEPTED = 0.1
"""What a right kernel earns that is no faster than the best one before it."""
LEAST_COST = 0.01
"""Of the dearest proposal's: a model that costs nothing is not played for nothing in return for ever."""


@dataclass(frozen=True)
class Play:
    """One finished proposal."""

    model: str
    reward: float
    """0 to 1."""
    cost_usd: float | None
    tokens: int


def reward(speedup: float | None, best_before: float | None) -> float:
    """What a judged proposal earned: 1 for doubling the best speed-up so far, 0 for what was not accepted.

    ``speedup`` is None for a proposal without an accepted candidate; before there is a best one, the best
    baseline is what has to be doubled.
    """
    if speedup is None or speedup <= 0:
        return 0.0
    gained = math.log2(speedup / (best_before or 1.0))
    return min(1.0, max(ACCEPTED, gained))


def ranking(names: Sequence[str], past: Sequence[Play], *, round_: int, slot: int, seed: int) -> list[str]:
    """The models, the one to ask first first. ``past`` holds what was played before the round."""
    played = {play.model for play in past}
    untried = [name for name in names if name not in played]
    draw = random.Random(f"{seed}/{round_}/{slot}/model")  # noqa: S311 - a draw that can be repeated is the point
    costs = _costs(past)
    value = {}
    for name in names:
        own = [(play.reward, cost) for play, cost in zip(past, costs, strict=True) if play.model == name]
        earned = _beta(draw, [pay for pay, _ in own])
        value[name] = earned / max(LEAST_COST, _beta(draw, [cost for _, cost in own]))
    order = sorted(names, key=lambda name: -value[name])
    if slot >= len(untried):
        return order
    first = untried[slot]
    return [first, *(name for name in order if name != first)]


def _beta(draw: random.Random, values: Sequence[float]) -> float:
    return draw.betavariate(1.0 + sum(values), 1.0 + sum(1.0 - value for value in values))


def _costs(past: Sequence[Play]) -> list[float]:
    """Each proposal's cost as a part of the dearest one's: dollars if all are known, else tokens."""
    paid = [play.cost_usd for play in past]
    known = [cost for cost in paid if cost is not None]
    if len(known) < len(past) or not any(known):
        known = [float(play.tokens) for play in past]
    most = max(known, default=0.0)
    return [max(LEAST_COST, cost / most) if most > 0 else 1.0 for cost in known]
