"""reflect: what limits each new candidate and what its verdict teaches, by way of the graph ``diagnose``."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.state import RunState
from agent.subagents.diagnose import diagnose


def reflect(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes nothing into the state: diagnoses belong to the log."""
    for candidate in state["fresh"]:
        diagnose(runtime.context, candidate)
    return {}
