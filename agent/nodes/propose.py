"""propose: one model conversation, one candidate or a refusal. Runs once a slot, in parallel."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.errors import ModelError, ModelOut, ModelRejected
from agent.proposing import Attempt, Proposal, ProposalTask
from agent.rehearsing import Rehearsal
from agent.standing import Standings
from agent.state import PickState
from agent.steering import hints_of
from agent.subagents.research import research
from agent.tree import Node
from agent.windows import budget_of
from tools.problem import Description
from tools.problem_text import one_line

MAX_DECLINED = 3
DECLINED_CHARACTERS = 200
NOTHING_FOUND: dict[str, Any] = {"diagnosis": "", "knowledge": [], "remembered": []}


def propose(state: PickState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes ``done``. A proposal that a killed run has already got is not asked for again.

    Raises ModelError while nothing is accepted yet: the run can be resumed once the model answers again.
    Later it is noted as a refusal, and the run ends with what it has.
    """
    deps = runtime.context
    number, slot = state["round"], state["slot"]
    if deps.ledger.find("proposed", number, slot) is None:
        with deps.steering.activity.working():
            deps.steering.seam()
            deps.space.wait()
            research(deps, state)
            data = _ask(deps, state)
        place = {"parent": state["parent"], "kind": state["kind"], "inspirations": state["inspirations"]}
        deps.emit("proposed", round=number, slot=slot, **place, **data)
    return {"done": [[number, slot]]}


def _ask(deps: Deps, pick: PickState) -> dict[str, Any]:
    """Ask one model, and when it is out, the next."""
    roster, place = deps.roster, {"round_": pick["round"], "slot": pick["slot"]}
    while True:
        name = roster.choose(deps.ledger, **place, seed=deps.settings.seed)
        try:
            return _to_data(deps, name, _propose(deps, pick, name), model_lost=False)
        except ModelError as error:
            if _another_takes_over(deps, name, error):
                continue
            if all(node.status != "accepted" for node in deps.ledger.tree()):
                raise
            deps.emit("warning", text=str(error))
            return _to_data(deps, name, _lost(str(error)), model_lost=True)


def _propose(deps: Deps, pick: PickState, name: str) -> Proposal:
    return deps.propose(
        to_task(deps, pick, name),
        model=deps.roster.models[name],
        judge=deps.judge,
        problem=deps.problem,
        description=Description.model_validate_json(deps.store.get(pick["description"])),
        store=deps.store,
        memory=None if deps.trusted_only else deps.memory,
        max_steps=deps.settings.max_steps,
        emit=_emitter(deps, pick, name),
        out_of_time=_clock(deps),
        gate=deps.roster.gates[name],
        past=Rehearsal(deps.ledger, deps.store, deps.emit, pick["round"], pick["slot"], name),
        knowledge=deps.knowledge,
    )


def _another_takes_over(deps: Deps, name: str, error: ModelError) -> bool:
    """Whether the run goes on with another model. One that refuses for good is not asked again.

    A refusal by a model that has never answered is a mistake of the settings: it ends the run, however many there are.
    """
    outages = deps.roster.outages
    if isinstance(error, ModelOut):
        return outages.others_up(name)
    if isinstance(error, ModelRejected) and not outages.has_answered(name):
        return False
    if len(outages.usable()) < 2:
        return False
    outages.drop(name, str(error))
    return True


def to_task(deps: Deps, pick: PickState, model: str) -> ProposalTask:
    """What this model is told."""
    recalled = deps.ledger.find("recalled") or {"attempts": []}
    researched = deps.ledger.find("researched", pick["round"], pick["slot"]) or NOTHING_FOUND
    parent, alone = pick["parent"], bool(pick["kind"])
    memories = () if alone else (*recalled["attempts"], *researched["remembered"])
    return ProposalTask(
        round=pick["round"],
        slot=pick["slot"],
        slots=pick["slots"],
        parent=None if parent is None else to_attempt(deps.ledger.node(parent)),
        visible=tuple(to_attempt(node) for node in deps.ledger.tree(pick["visible"])),
        recalled=tuple(_recalled_attempt(data) for data in memories),
        inspirations=tuple(to_attempt(node) for node in deps.ledger.tree(pick["inspirations"])),
        repeats=() if alone else tuple(_repeat(deps, data) for data in deps.ledger.repeats(parent)),
        declined=() if alone else _declined(deps, pick["round"]),
        number=pick["number"] if alone else None,
        baselines=pick["baselines"],
        target=deps.settings.target,
        language=deps.settings.language,
        seed=deps.settings.seed,
        diagnosis=researched["diagnosis"],
        knowledge=tuple(researched["knowledge"]),
        hints=hints_of(deps.ledger.all("steered")),
        standings=_standings(deps, pick, memories),
        tuned=deps.settings.tune_trials > 0,
        profiled=deps.settings.profiler,
        budget=budget_of(model, deps.settings.context_tokens),
    )


def _declined(deps: Deps, number: int) -> tuple[str, ...]:
    """Not of this round, whose proposals are written at the same time: none may depend on which was done first."""
    refused = (data for data in reversed(deps.ledger.all("proposed")) if data["refusal"] and data["round"] < number)
    latest = list(islice(refused, MAX_DECLINED))[::-1]
    return tuple(f"round {data['round']}: {one_line(data['refusal'], DECLINED_CHARACTERS)}" for data in latest)


def _standings(deps: Deps, pick: PickState, memories: Sequence[dict[str, Any]]) -> Standings:
    parent = () if pick["parent"] is None else (pick["parent"],)
    recalled = {data["candidate"]: data["speedup"] for data in memories}
    return Standings(
        deps.ledger, deps.store, recalled, frozenset((*pick["visible"], *pick["inspirations"], *parent, *recalled))
    )


def to_attempt(node: Node) -> Attempt:
    """A node of the tree as the model may see it."""
    return Attempt(
        candidate=node.id,
        parent=node.parent,
        status=node.status,
        reason=node.reason,
        speedup=node.speedup,
        speedup_ci95=node.speedup_ci95,
        strategy=node.strategy,
        lesson=node.lesson,
        source_artifact=node.source_artifact,
    )


def _repeat(deps: Deps, data: dict[str, Any]) -> Attempt:
    """A proposal that was there already, as the model may see it: which one it is the same as, and its verdict."""
    node = deps.ledger.node(data["same_as"])
    return replace(
        to_attempt(node),
        candidate=data["candidate"],
        parent=data["parent"],
        reason=f"same as {node.id}" + (f" ({node.reason})" if node.reason else ""),
        strategy=data["strategy"],
        lesson="",
    )


def _recalled_attempt(data: dict[str, Any]) -> Attempt:
    interval = data["speedup_ci95"]
    return Attempt(**{**data, "speedup_ci95": None if interval is None else tuple(interval)})


def _emitter(deps: Deps, pick: PickState, name: str) -> Any:
    """Tells the log what the conversation does; between two steps it is left or held where somebody asks for that.

    Held only after a tool's answer: within a call of the model others may be waiting for what it has reserved.
    """

    def emit(type_: str, **data: Any) -> None:
        whose = {"model": name} if type_ in ("model_asked", "model_call") else {}
        deps.emit(type_, **{"round": pick["round"], "slot": pick["slot"], **whose, **data})
        if type_ == "tool_call":
            deps.steering.seam()
        else:
            deps.steering.look()

    return emit


def _clock(deps: Deps) -> Any:
    """Says whether the run's time is up, and leaves a reply in the middle when asked to stop."""

    def out_of_time() -> bool:
        deps.steering.look()
        return deps.steering.is_finishing or deps.out_of_time()

    return out_of_time


def _to_data(deps: Deps, name: str, proposal: Proposal, *, model_lost: bool) -> dict[str, Any]:
    candidate = proposal.candidate
    return {
        "candidate": None if candidate is None else candidate.id,
        "language": deps.settings.language if candidate is None else candidate.language,
        "source_artifact": None if candidate is None else deps.store.put(candidate.source),
        "strategy": proposal.strategy,
        "refusal": proposal.refusal,
        "needs_language_model": proposal.needs_language_model,
        "model_lost": model_lost,
        "capped": proposal.capped,
        "origin": name,
        "transcript": deps.store.put(json.dumps(list(proposal.transcript))),
        "tools": deps.store.put(json.dumps(list(proposal.tools))) if proposal.tools else None,
        "profile": None if proposal.profile is None else deps.store.put(proposal.profile.model_dump_json()),
        "tokens": proposal.tokens,
        "cost_usd": proposal.cost_usd,
        "model_calls": proposal.model_calls,
        "tool_calls": proposal.tool_calls,
    }


def _lost(why: str) -> Proposal:
    return Proposal(
        candidate=None,
        strategy="",
        refusal=why,
        needs_language_model=False,
        tokens=0,
        cost_usd=0.0,
        model_calls=0,
        tool_calls=0,
        transcript=(),
    )
