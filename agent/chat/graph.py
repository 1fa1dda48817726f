"""The flow of one chat as a graph, and nothing else."""

from __future__ import annotations

from collections.abc import Hashable

from langgraph.graph import END, START, StateGraph

from agent.chat.context import ChatContext
from agent.chat.preparing import approve, ask, check, confirm, consult, understand
from agent.chat.state import ChatState
from agent.chat.talking import search, talk


def go_on(state: ChatState) -> str:
    """After every node: whatever it said comes next."""
    return state["stage"]


def build_graph() -> StateGraph[ChatState, ChatContext]:
    """The uncompiled graph: the caller chooses the checkpointer."""
    builder = StateGraph(ChatState, context_schema=ChatContext)
    for node in (understand, consult, ask, check, confirm, approve, search, talk):
        builder.add_node(node.__name__, node)
    builder.add_edge(START, "understand")
    closed: dict[Hashable, str] = {"closed": END}
    for name, then in (
        ("understand", ["understand", "ask", "check", "consult", "approve"]),
        ("consult", ["understand", "ask", "check"]),
        ("ask", ["ask", "check", "confirm", "consult", "understand"]),
        ("check", ["ask", "confirm"]),
        ("confirm", ["confirm", "ask", "check", "understand", "approve", "search"]),
        ("approve", ["approve", "consult", "search"]),
        ("search", ["talk"]),
        ("talk", ["talk", "search"]),
    ):
        builder.add_conditional_edges(name, go_on, {**{one: one for one in then}, **closed})
    return builder
