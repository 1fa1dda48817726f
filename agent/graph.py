"""The flow of one run as a graph, and nothing else."""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph

from agent.deps import Deps
from agent.nodes.baselines import baselines
from agent.nodes.confirm import confirm
from agent.nodes.describe import describe
from agent.nodes.finish import finish
from agent.nodes.judge import judge
from agent.nodes.propose import propose
from agent.nodes.recall import recall
from agent.nodes.record import record
from agent.nodes.reflect import reflect
from agent.nodes.selection import select
from agent.nodes.tune import tune
from agent.routing import begin, fan_out, go_on
from agent.state import RunState


def build_graph() -> StateGraph[RunState, Deps]:
    """The uncompiled graph: the caller chooses the checkpointer."""
    builder = StateGraph(RunState, context_schema=Deps)
    for node in (describe, baselines, recall, select, judge, tune, reflect, record, confirm, finish):
        builder.add_node(node.__name__, node)
    builder.add_node("propose", propose)
    builder.add_edge(START, "describe")
    builder.add_edge("describe", "baselines")
    builder.add_conditional_edges("baselines", begin, ["recall", "confirm"])
    builder.add_edge("recall", "select")
    builder.add_conditional_edges("select", fan_out, ["propose", "judge", "confirm"])
    builder.add_edge("propose", "judge")
    builder.add_edge("judge", "tune")
    builder.add_edge("tune", "reflect")
    builder.add_edge("reflect", "record")
    builder.add_conditional_edges("record", go_on, ["select", "confirm"])
    builder.add_edge("confirm", "finish")
    builder.add_edge("finish", END)
    return builder
