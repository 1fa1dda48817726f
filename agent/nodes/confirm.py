"""confirm: the champion is judged again; what does not hold makes room for the next best."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.state import RunState
from agent.tree import Node, ranked
from tools.errors import JudgeUnavailable
from tools.verdict import Verdict

MAX_CONFIRMATIONS = 3
"""Candidates that are judged again at most."""


def confirm(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes ``confirmed``. Raises JudgeUnavailable if the judge cannot judge twice in a row."""
    deps = runtime.context
    deps.once("search_ended", rounds=state["round"], reason=state["stop_reason"])
    for node in contenders(deps.ledger.first(state["judged"]), state["champion"]):
        known = deps.ledger.find("confirmed", node.id)
        if known is None:
            deps.stop.check()
            known = _confirm(deps, node)
        if known["holds"]:
            return {"confirmed": node.id}
    return {"confirmed": None}


def contenders(tree: list[Node], champion: str | None) -> list[Node]:
    """The champion, then the next best; none that is known to be no faster than the baselines."""
    order = [node for node in ranked(tree) if node.faster is not False]
    return sorted(order, key=lambda node: node.id != champion)[:MAX_CONFIRMATIONS]


def _confirm(deps: Deps, node: Node) -> dict[str, Any]:
    candidate = deps.candidate(node.source_artifact, node.language)
    deps.emit("confirming", candidate=node.id)
    for _ in range(2):
        verdict = deps.judge.confirm(candidate, deps.notice(candidate=node.id))
        data: dict[str, Any] = deps.emit(
            "confirmed", candidate=node.id, holds=_holds(verdict), verdict=verdict.to_json()
        ).data
        if verdict.status != "infrastructure_error":
            return data
    raise JudgeUnavailable(f"the champion could not be confirmed: {verdict.detail or verdict.reason}")


def _holds(verdict: Verdict) -> bool:
    return verdict.status == "accepted" and verdict.faster is True
