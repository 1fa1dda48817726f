"""What is set side by side: the agent, and what a user could do with the same model instead of it.

``once``: the model is asked once, without tools. ``best_of_n``: it is asked like that again and again, until it has
used as many tokens as the agent did on the same problem; the last reply may go beyond. All are judged by the same
judge under the same licence, and the champions of all are judged again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from agent.settings import AgentSettings
from tools.errors import RequestError

AGENT: Final = "agent"
ONCE: Final = "once"
BEST_OF_N: Final = "best_of_n"
ARMS: Final = (AGENT, ONCE, BEST_OF_N)

_ASKED_ONCE: Final[dict[str, Any]] = {
    "asking": "once",
    "analysis": "rule",
    "memory": False,
    "tune_trials": 0,
    # One after another: so no more than one reply goes beyond the tokens.
    "slots": 1,
    "restart_after": None,
}
_MANY: Final = 10_000

ABLATIONS: Final = ("memory", "policy", "profiler", "tuning")


def chosen_arms(asked: Sequence[str] | None, settings: AgentSettings) -> tuple[str, ...]:
    """The arms in order: those asked for, or all that make sense. Raises RequestError."""
    why = _why_alone(settings)
    if asked is None:
        return (AGENT,) if why else ARMS
    unknown = next((name for name in asked if name not in ARMS), None)
    if unknown is not None:
        raise RequestError(f"--arms: there is no arm {unknown!r}: give some of {', '.join(ARMS)}")
    if BEST_OF_N in asked and AGENT not in asked:
        raise RequestError("--arms: best_of_n gets as many tokens as the agent used: run the agent beside it")
    if why and set(asked) != {AGENT}:
        raise RequestError(f"--arms: {why}: leave {' and '.join(sorted(set(asked) - {AGENT}))} out")
    return tuple(name for name in ARMS if name in asked)


def _why_alone(settings: AgentSettings) -> str:
    """Why nothing is set beside the agent; empty where something is."""
    if settings.model == "builtin":
        return "the builtin model is deterministic and works by tools alone, so asking it once is what the agent does"
    return "several models are no single one that could be asked once" if len(settings.models) > 1 else ""


def told_alone(settings: AgentSettings, arms: Sequence[str]) -> str:
    """A line for the reader of a report in which the agent stands alone; empty where it does not have to."""
    why = _why_alone(settings)
    return f"Nothing is set beside the agent: {why}." if why and tuple(arms) == (AGENT,) else ""


def licensed(settings: AgentSettings, arms: Sequence[str]) -> AgentSettings:
    """Where something is set beside the agent, the licence is *tolerance* unless a person chose one."""
    if tuple(arms) == (AGENT,) or "precision" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"precision": "tolerance"})


def settings_of_arm(arm: str, settings: AgentSettings, agent_tokens: int | None) -> AgentSettings:
    """The settings of a run; ``agent_tokens``: what the agent used on this problem, for ``best_of_n``."""
    if arm == AGENT:
        return settings
    if arm == ONCE:
        return settings.model_copy(update={**_ASKED_ONCE, "drafts": 1, "max_candidates": 1, "enough_tokens": 1})
    enough = max(1, agent_tokens or 0)
    many = {"drafts": _MANY, "max_candidates": _MANY, "stall": _MANY}
    return settings.model_copy(update={**_ASKED_ONCE, **many, "enough_tokens": enough})


def without(settings: AgentSettings, parts: Sequence[str]) -> AgentSettings:
    """The agent with parts of it taken away. Raises RequestError for one that there is not.

    Without its policy every proposal is an independent sample that starts from nothing: no tree is searched.
    """
    taken: dict[str, dict[str, Any]] = {
        "memory": {"memory": False},
        "policy": {"drafts": settings.max_candidates, "restart_after": None},
        "profiler": {"profiler": False},
        "tuning": {"tune_trials": 0},
    }
    assert taken.keys() == set(ABLATIONS)
    for part in parts:
        if part not in taken:
            raise RequestError(f"--without: there is no part {part!r}: give one of {', '.join(ABLATIONS)}")
        settings = settings.model_copy(update=taken[part])
    return settings


def repeated(settings: AgentSettings, repeat: int) -> AgentSettings:
    """Of the repeat of that number, from 1: its seed."""
    return settings.model_copy(update={"seed": settings.seed + repeat - 1})
