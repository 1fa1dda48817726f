"""recall: what earlier runs know about this operator or ones like it."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.starting import seeds_of
from agent.state import RunState
from memory.errors import StoreError
from memory.experience import Experience
from memory.store import Query, Recalled
from tools.candidate import Candidate

BUILTIN = "builtin"


def recall(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes ``seeds``, the user's kernels first. A memory that cannot be read is a warning: a search needs none."""
    deps = runtime.context
    known = deps.ledger.find("recalled")
    if known is None:
        deps.steering.seam()
        hits = _ask_memory(deps, state)
        attempts = [to_recalled(deps, hit) for hit in hits]
        own = seeds_of(deps.starts, deps.settings.language, deps.store.put)
        there = {seed["candidate"] for seed in own}
        seeds = own + [seed for seed in _seeds(deps, state, hits) if seed["candidate"] not in there]
        known = deps.emit("recalled", attempts=attempts, seeds=seeds).data
    return {"seeds": [seed["candidate"] for seed in known["seeds"]]}


def _ask_memory(deps: Deps, state: RunState) -> list[Recalled]:
    if deps.memory is None:
        return []
    description = deps.description(state)
    query = Query(
        operator_signature=description.operator_signature,
        shape_signature=description.shape_signature,
        operators=description.operators,
        target=deps.settings.target,
        language=deps.settings.language,
        precision=deps.settings.precision,
        hardware=description.cpu,
        text=deps.problem.name,
    )
    try:
        hits = deps.memory.recall(query)
    except StoreError as error:
        deps.emit("warning", text=f"nothing recalled: {error}")
        return []
    return [hit for hit in hits if not deps.trusted_only or hit.experience.model == BUILTIN]


def to_recalled(deps: Deps, hit: Recalled) -> dict[str, Any]:
    """An ``Attempt`` as JSON, its source in the store."""
    experience = hit.experience
    return {
        "candidate": _candidate(experience).id,
        "parent": None,
        "status": "recalled",
        "reason": experience.reason,
        "speedup": experience.speedup,
        "speedup_ci95": experience.speedup_ci95,
        "strategy": experience.strategy,
        "lesson": f"{hit.why}. {experience.lesson}".strip(),
        "source_artifact": deps.store.put(experience.source),
    }


def _seeds(deps: Deps, state: RunState, hits: list[Recalled]) -> list[dict[str, Any]]:
    """The best source accepted for the very same operator and shapes: judged first, as it stands. One that was slower
    than the baselines is not worth a judgement that a new one could have.
    """
    if not hits:
        return []
    description = deps.description(state)
    for hit in hits:
        experience = hit.experience
        same = (
            experience.shape_signature == description.shape_signature
            and experience.operator_signature == description.operator_signature
        )
        if same and experience.status == "accepted" and (experience.speedup or 0.0) > 1:
            strategy = "recalled: " + experience.strategy.removeprefix("recalled: ")
            return [
                {
                    "candidate": _candidate(experience).id,
                    "language": experience.language,
                    "source_artifact": deps.store.put(experience.source),
                    "strategy": strategy,
                    "origin": experience.model,
                }
            ]
    return []


def _candidate(experience: Experience) -> Candidate:
    return Candidate(source=experience.source, language=experience.language)
