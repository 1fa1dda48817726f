"""The graph for LangGraph's own server and Studio (``langgraph.json``): to be looked at, not to be run there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.graph import build_graph

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph


@dataclass(frozen=True)
class OutsideARun:
    """Stands for ``Deps``, which no client can send and of which the server cannot make a JSON schema."""

    def __post_init__(self) -> None:
        """Raise ValueError, whose text the server lets through: it makes the context just before it begins a run."""
        raise ValueError(
            "the graph is only shown here: a run needs a sandbox and a judge: start it with `kernelwright optimize`"
        )


def make_graph() -> CompiledStateGraph[Any, Any]:
    """The compiled graph without a checkpointer: the server brings its own, and refuses any other."""
    builder: Any = build_graph()
    builder.context_schema = OutsideARun
    graph: CompiledStateGraph[Any, Any] = builder.compile(name="kernelwright")
    return graph
