"""Where a conversation stands: plain JSON, checkpointed after every node."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Stage = Literal["understand", "consult", "ask", "check", "confirm", "approve", "search", "talk", "closed"]


class ChatState(TypedDict):
    """Between nodes. Every node writes ``stage``: what comes next."""

    stage: Stage
    said: str
    """What is to be understood next, where it was not asked for; emptied by understand."""
    operator: dict[str, Any] | None
    """``agent.chat.reading.Operator``. Written by understand and consult."""
    inputs: dict[str, Any]
    """``agent.chat.writing.Inputs``. Written by understand, ask and confirm."""
    fault: str
    """What is wrong with the problem as it stands. Written by check, emptied by what mends it."""
    facts: list[str]
    """What the sandbox found out, a line each. Written by check."""
    name: str
    """Of the problem."""
    changes: dict[str, Any]
    """Settings that were said, above those of the command line."""
    approved: bool
    """Spending was."""
    after: Stage
    """What the approval is for."""
    searches: int
    """Begun."""


def initial_state(said: str = "", name: str = "") -> ChatState:
    """Before anything was said, or with what the command line gave."""
    return ChatState(
        stage="understand",
        said=said,
        operator=None,
        inputs={"tensors": {}, "values": {}, "dtype": ""},
        fault="",
        facts=[],
        name=name,
        changes={},
        approved=False,
        after="search",
        searches=0,
    )
