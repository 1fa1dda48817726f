"""From a judged candidate to an experience: the memory knows primitives only."""

from __future__ import annotations

import hashlib
from typing import Any

from agent.deps import Deps
from agent.events import utc_now
from agent.state import RunState
from agent.tree import Node
from memory.errors import StoreError
from memory.experience import Experience
from tools.verdict import Verdict


def remember(deps: Deps, state: RunState, candidate: str, verdict: Verdict) -> None:
    """Store what ``verdict`` says about ``candidate``; once, however often it is asked for.

    A memory that cannot be written is a warning: a night's search is not lost for it.
    """
    if deps.memory is None or deps.ledger.find("remembered", candidate, verdict.confirmed) is not None:
        return
    experience = to_experience(deps, state, deps.ledger.node(candidate), verdict)
    deps.space.wait()
    try:
        deps.memory.add(experience)
    except StoreError as error:
        deps.emit("warning", text=f"not remembered: {error}")
        return
    deps.emit("remembered", candidate=candidate, confirmed=verdict.confirmed)


def to_experience(deps: Deps, state: RunState, node: Node, verdict: Verdict) -> Experience:
    """The record of one verdict; a confirmation is a record of its own."""
    description = deps.description(state)
    key: list[Any] = [deps.run_id, node.id, *(["confirmed"] if verdict.confirmed else [])]
    return Experience(
        id=hashlib.sha256("\n".join(key).encode()).hexdigest()[:32],
        created_at=utc_now(),
        run_id=deps.run_id,
        problem=deps.problem.name,
        operator_signature=description.operator_signature,
        shape_signature=description.shape_signature,
        operators=description.operators,
        target=verdict.target,
        hardware=description.cpu,
        language=node.language,
        precision=verdict.precision,
        evidence=verdict.evidence,
        model=node.origin,
        status=verdict.status,
        reason=verdict.reason,
        speedup=verdict.speedup,
        speedup_ci95=verdict.speedup_ci95,
        confirmed=verdict.confirmed,
        source=deps.store.text(node.source_artifact),
        strategy=node.strategy,
        lesson=node.lesson,
        extra={"faster": verdict.faster, "roofline_fraction": verdict.roofline_fraction},
    )
