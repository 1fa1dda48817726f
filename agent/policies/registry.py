"""Policies by name."""

from __future__ import annotations

from collections.abc import Callable

from agent.policies.base import SelectionPolicy
from agent.policies.evolution import EvolutionPolicy
from agent.policies.greedy import GreedyPolicy
from agent.policies.mcts import MctsPolicy
from tools.errors import RequestError

POLICIES: dict[str, Callable[[], SelectionPolicy]] = {
    "evolution": EvolutionPolicy,
    "greedy": GreedyPolicy,
    "mcts": MctsPolicy,
}


def make_policy(name: str) -> SelectionPolicy:
    """The policy of that name. Raises RequestError, listing the known ones."""
    if name not in POLICIES:
        raise RequestError(f"unknown policy {name!r}; the known ones are {', '.join(sorted(POLICIES))}")
    return POLICIES[name]()
