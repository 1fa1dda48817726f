"""reflect: what each new verdict teaches, in a line or two."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.reflecting import to_lesson
from agent.state import RunState
from tools.verdict import Verdict


def reflect(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes nothing into the state: lessons belong to the log."""
    deps = runtime.context
    for candidate in state["fresh"]:
        judged = deps.ledger.find("judged", candidate)
        assert judged is not None
        parent = judged["parent"]
        before = None if parent is None else deps.ledger.node(parent).speedup
        lesson = to_lesson(Verdict.from_json(judged["verdict"]), parent_speedup=before)
        deps.once("reflected", candidate, candidate=candidate, lesson=lesson)
    return {}
