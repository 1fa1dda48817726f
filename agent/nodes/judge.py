"""judge: one candidate after another, because judging measures time and needs the machine for itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from langgraph.runtime import Runtime

from agent.budget import stop_before_judging
from agent.deps import Deps
from agent.state import RunState
from tools.candidate import Candidate
from tools.errors import JudgeUnavailable
from tools.likeness import likeness
from tools.traits import traits
from tools.verdict import Verdict

MAX_FAULTS = 3
"""Judgements in a row that may fail for want of infrastructure before the run gives up."""


def judge(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes ``fresh``, ``judged``, ``faults`` and perhaps ``stop_reason``.

    A program is judged once: candidates the log knows already are taken from there, and one that is the same as
    another but for the way it is written down is told to be that other one. Raises JudgeUnavailable when the
    judge fails again and again, RunInterrupted between two candidates when asked to stop.
    """
    deps = runtime.context
    fresh: list[str] = []
    faults = state["faults"]
    reason = None
    for number, slot in state["done"]:
        proposal = deps.ledger.find("proposed", number, slot)
        assert proposal is not None
        if proposal["candidate"] is None:
            continue
        candidate = deps.candidate(proposal["source_artifact"], proposal["language"])
        place, looks = deps.ledger.place(candidate.id), likeness(candidate)
        if place is not None and (place < state["judged"] or candidate.id in fresh):
            _recognise(deps, proposal, candidate.id)
            continue
        if place is None:
            known = None if looks is None else deps.ledger.alike(looks)
            if known is not None:
                _recognise(deps, proposal, known)
                continue
            done = state["judged"] + len(fresh)
            reason = stop_before_judging(deps.bounds, replace(deps.spent(state), candidates=done))
            if reason is not None:
                break
            deps.steering.seam()
            faults = judge_one(deps, proposal, candidate, looks, done + 1, faults)
        if deps.ledger.place(candidate.id) is not None:
            fresh.append(candidate.id)
    return {"fresh": fresh, "judged": state["judged"] + len(fresh), "faults": faults, "stop_reason": reason}


def _recognise(deps: Deps, proposal: dict[str, Any], known: str) -> None:
    """Note that a proposal is the same program as a candidate that was judged."""
    facts = {name: proposal[name] for name in ("round", "slot", "candidate", "parent", "strategy")}
    deps.once("recognised", proposal["round"], proposal["slot"], **facts, same_as=known)


def judge_one(
    deps: Deps,
    proposal: dict[str, Any],
    candidate: Candidate,
    looks: str | None,
    order: int,
    faults: int,
    *,
    log: str = "",
) -> int:
    """Judge one candidate and write what came of it; the number of faults in a row.

    ``log``: what else is known of it, for whoever reads the verdict. Raises JudgeUnavailable when there are too many.
    """
    deps.emit("judging", candidate=candidate.id, order=order, of=deps.bounds.max_candidates)
    before_s = deps.log.elapsed_s()
    verdict = _verdict(deps, candidate)
    if log:
        verdict = verdict.model_copy(update={"log": "\n".join(filter(None, [verdict.log, log]))})
    taken = ("parent", "round", "slot", "language", "strategy", "source_artifact", "origin")
    deps.emit(
        "judged",
        candidate=candidate.id,
        order=order,
        **{name: proposal[name] for name in taken},
        kind=proposal.get("kind", ""),
        inspirations=proposal.get("inspirations", []),
        likeness=looks,
        traits=list(traits(candidate)),
        seconds=round(deps.log.elapsed_s() - before_s, 3),
        verdict=verdict.to_json(),
    )
    if verdict.status != "infrastructure_error":
        return 0
    if faults + 1 >= MAX_FAULTS:
        raise JudgeUnavailable(f"the judge failed {MAX_FAULTS} times in a row: {verdict.detail or verdict.reason}")
    return faults + 1


def _verdict(deps: Deps, candidate: Candidate) -> Verdict:
    """A rejection while the disk is full may be the disk's fault: it counts only if it comes again and again."""
    for _ in range(MAX_FAULTS):
        deps.space.wait()
        verdict = deps.judge.judge(candidate, deps.notice(candidate=candidate.id))
        if verdict.status == "accepted" or not deps.space.is_short():
            break
    return verdict
