"""Runs a small graph to its end within a node of the run's graph."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context
from typing import Any

from agent.deps import Deps


def run_graph(graph: Any, state: Mapping[str, Any], deps: Deps) -> None:
    """In a context of its own: a graph that is called within another takes on that one's checkpoints and durability,
    and this one has neither. What it finds out is in the event log.
    """
    Context().run(graph.invoke, state, context=deps)
