"""confirm: the champion is judged again; what does not hold makes room for the next best.

A kernel that the user gave is judged again too, and what is not clearly faster than it does not hold either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.starting import KIND, best_start, over_start
from agent.state import RunState
from agent.tree import Node, ranked
from tools.candidate import Candidate
from tools.errors import JudgeUnavailable
from tools.verdict import Verdict

MAX_CONFIRMATIONS = 3
"""Candidates that are judged again at most."""


def confirm(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes ``confirmed``. Raises JudgeUnavailable if the judge cannot judge twice in a row."""
    deps = runtime.context
    deps.once("search_ended", rounds=state["round"], reason=state["stop_reason"])
    tree = deps.ledger.first(state["judged"])
    start = best_start(tree)
    for node in contenders(tree, state["champion"]):
        known = deps.ledger.find("confirmed", node.id)
        if known is None:
            known = _confirm(deps, node, start)
        if known["holds"]:
            return {"confirmed": node.id}
    return {"confirmed": None}


def contenders(tree: list[Node], champion: str | None) -> list[Node]:
    """The champion, then the next best; none that is known to be no faster than the baselines, or than the user's own
    kernels, which are never contenders.
    """
    start = best_start(tree)
    least = 0.0 if start is None else start.speedup or 0.0
    others = [node for node in ranked(tree) if node.kind != KIND and (node.speedup or 0.0) > least]
    order = [node for node in others if node.faster is not False]
    return sorted(order, key=lambda node: node.id != champion)[:MAX_CONFIRMATIONS]


def _confirm(deps: Deps, node: Node, start: Node | None) -> dict[str, Any]:
    own = None if start is None else deps.ledger.find("start_confirmed", start.id)
    if start is not None and own is None:
        own = _judge_again(deps, start, lambda verdict: ("start_confirmed", {}))

    def found(verdict: Verdict) -> tuple[str, dict[str, Any]]:
        holds = _holds(verdict)
        if start is None or own is None or verdict.status != "accepted":
            return "confirmed", {"holds": holds}
        compared = over_start(verdict.to_json(), own["verdict"])
        # What was the user's does not count against it any more where it turned out not to be right.
        beaten = compared["faster"] is True or own["verdict"]["status"] != "accepted"
        return "confirmed", {"holds": holds and beaten, "over_start": {"start": start.id, **compared}}

    return _judge_again(deps, node, found)


def _judge_again(deps: Deps, node: Node, found: Callable[[Verdict], tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """The data of the event that says what came of it; ``found`` gives its type, and what it says besides."""
    deps.steering.seam()
    candidate = deps.candidate(node.source_artifact, node.language)
    deps.emit("confirming", candidate=node.id)
    for _ in range(2):
        verdict = _verdict(deps, candidate, node.id)
        type_, facts = found(verdict)
        data: dict[str, Any] = deps.emit(type_, candidate=node.id, **facts, verdict=verdict.to_json()).data
        if verdict.status != "infrastructure_error":
            return data
    raise JudgeUnavailable(f"the champion could not be confirmed: {verdict.detail or verdict.reason}")


def _verdict(deps: Deps, candidate: Candidate, id_: str) -> Verdict:
    """As for a candidate that is new: a rejection while the disk is full is not believed at once."""
    for _ in range(MAX_CONFIRMATIONS):
        deps.space.wait()
        verdict = deps.judge.confirm(candidate, deps.notice(candidate=id_))
        if verdict.status == "accepted" or not deps.space.is_short():
            break
    return verdict


def _holds(verdict: Verdict) -> bool:
    return verdict.status == "accepted" and verdict.faster is True
