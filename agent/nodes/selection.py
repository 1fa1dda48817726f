"""select: fills the slots of the next round, with what memory holds ready or as the policy chooses.

The module is not called like its node because that is a name of the standard library.
"""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agent.budget import stop_before_round
from agent.deps import Deps
from agent.policies.phases import draft_number, plan_round
from agent.state import PickState, RunState


def select(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes ``picks``, or ``done`` in a round of seeds, or ``stop_reason``; and ``round``."""
    deps = runtime.context
    deps.steering.seam()
    number = state["round"]
    # A round that the log has begun is gone through: with lost checkpoints the log knows more than was spent by then.
    begun = deps.ledger.find("round_started", number) is not None
    reason = None if begun else stop_before_round(deps.bounds, deps.spent(state))
    if reason is not None:
        return {"stop_reason": reason, "picks": []}
    if state["seeds"]:
        done = [_propose_seed(deps, number, slot) for slot in range(len(state["seeds"]))]
        return {"round": number + 1, "picks": [], "done": done, "seeds": []}
    picks = _pick(deps, state, number)
    parents = [pick["parent"] for pick in picks]
    kinds = [pick["kind"] for pick in picks]
    deps.once("round_started", number, round=number, slots=len(picks), parents=parents, kinds=kinds)
    return {"round": number + 1, "picks": picks}


def _pick(deps: Deps, state: RunState, number: int) -> list[PickState]:
    slots = min(deps.settings.slots, deps.bounds.max_candidates - state["judged"])
    tree, phases = deps.ledger.first(state["judged"]), deps.phases
    chosen = plan_round(deps.policy, phases, tree, slots=slots, round_=number, seed=deps.settings.seed)
    return [
        PickState(
            round=number,
            slot=slot,
            slots=slots,
            parent=pick.parent,
            visible=list(pick.visible),
            inspirations=list(pick.inspirations),
            kind=pick.kind,
            number=draft_number(phases, tree, slots=deps.settings.slots, round_=number, slot=slot),
            description=state["description"],
            baselines=state["baselines"],
        )
        for slot, pick in enumerate(chosen)
    ]


def _propose_seed(deps: Deps, number: int, slot: int) -> list[int]:
    """A recalled source, or a kernel of the user's, takes the place of a proposal."""
    recalled = deps.ledger.find("recalled")
    assert recalled is not None
    seeds = recalled["seeds"]
    deps.once("round_started", number, round=number, slots=len(seeds), parents=[None] * len(seeds))
    seed = seeds[slot]
    deps.once(
        "proposed",
        number,
        slot,
        round=number,
        slot=slot,
        parent=None,
        inspirations=[],
        refusal=None,
        needs_language_model=False,
        model_lost=False,
        transcript=None,
        tokens=0,
        cost_usd=0.0,
        model_calls=0,
        tool_calls=0,
        **{"kind": "seed", **seed},
    )
    return [number, slot]
