"""judge: one candidate after another, because judging measures time and needs the machine for itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from langgraph.runtime import Runtime

from agent.budget import stop_before_judging
from agent.deps import Deps
from agent.state import RunState
from tools.errors import JudgeUnavailable

MAX_FAULTS = 3
"""Judgements in a row that may fail for want of infrastructure before the run gives up."""


def judge(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes ``fresh``, ``nodes``, ``faults`` and perhaps ``stop_reason``.

    A candidate is judged once: those the log knows already are taken from there. Raises JudgeUnavailable when
    the judge fails again and again, RunInterrupted between two candidates when asked to stop.
    """
    deps = runtime.context
    fresh: list[str] = []
    faults = state["faults"]
    reason = None
    for number, slot in state["done"]:
        proposal = deps.ledger.find("proposed", number, slot)
        assert proposal is not None
        candidate = proposal["candidate"]
        if candidate is None or candidate in state["nodes"] or candidate in fresh:
            continue
        if deps.ledger.find("judged", candidate) is None:
            done = len(state["nodes"]) + len(fresh)
            reason = stop_before_judging(deps.settings, replace(deps.spent(state), candidates=done))
            if reason is not None:
                break
            deps.stop.check()
            faults = _judge(deps, proposal, done + 1, faults)
        if deps.ledger.find("judged", candidate) is not None:
            fresh.append(candidate)
    nodes = [*state["nodes"], *fresh]
    return {"fresh": fresh, "nodes": nodes, "faults": faults, "stop_reason": reason}


def _judge(deps: Deps, proposal: dict[str, Any], order: int, faults: int) -> int:
    """Judge one candidate and write what came of it; the number of faults in a row."""
    candidate = deps.candidate(proposal["source_artifact"], proposal["language"])
    deps.emit("judging", candidate=candidate.id, order=order, of=deps.settings.max_candidates)
    before_s = deps.log.elapsed_s()
    verdict = deps.judge.judge(candidate, deps.notice(candidate=candidate.id))
    deps.emit(
        "judged",
        candidate=candidate.id,
        parent=proposal["parent"],
        round=proposal["round"],
        slot=proposal["slot"],
        order=order,
        language=proposal["language"],
        strategy=proposal["strategy"],
        source_artifact=proposal["source_artifact"],
        origin=proposal["origin"],
        seconds=round(deps.log.elapsed_s() - before_s, 3),
        verdict=verdict.to_json(),
    )
    if verdict.status != "infrastructure_error":
        return 0
    if faults + 1 >= MAX_FAULTS:
        raise JudgeUnavailable(f"the judge failed {MAX_FAULTS} times in a row: {verdict.detail or verdict.reason}")
    return faults + 1
