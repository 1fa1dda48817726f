"""record: puts new verdicts into memory, crowns the champion, and says whether the search goes on."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agent.budget import StopReason, stop_before_round
from agent.deps import Deps
from agent.models.roster import exhausted
from agent.remembering import remember
from agent.state import RunState
from agent.tree import better
from tools.verdict import Verdict


def record(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes ``champion``, ``since_better``, ``barren_rounds`` and perhaps ``stop_reason``."""
    deps = runtime.context
    champion, since_better = state["champion"], state["since_better"]
    for candidate in state["fresh"]:
        judged = deps.ledger.find("judged", candidate)
        assert judged is not None
        remember(deps, state, candidate, Verdict.from_json(judged["verdict"]))
        since_better += 1
        if _crown(deps, candidate, champion):
            champion, since_better = candidate, 0
    after: RunState = {
        **state,
        "champion": champion,
        "since_better": since_better,
        "barren_rounds": 0 if state["fresh"] else state["barren_rounds"] + 1,
    }
    changed = ("champion", "since_better", "barren_rounds")
    update: dict[str, Any] = {name: after[name] for name in changed}  # type: ignore[literal-required]
    deps.once("round_ended", state["round"] - 1, round=state["round"] - 1, **update)
    return {**update, "stop_reason": state["stop_reason"] or _stop_reason(deps, after)}


def _crown(deps: Deps, candidate: str, champion: str | None) -> bool:
    node = deps.ledger.node(candidate)
    if not better(node, None if champion is None else deps.ledger.node(champion)):
        return False
    deps.once(
        "champion",
        candidate,
        candidate=candidate,
        speedup=node.speedup,
        speedup_ci95=node.speedup_ci95,
        previous=champion,
    )
    return True


def _stop_reason(deps: Deps, state: RunState) -> StopReason | None:
    if deps.ledger.find("round_started", state["round"]) is not None:
        return None  # the checkpoint lags behind the log, in which the search went on
    proposals = [deps.ledger.find("proposed", number, slot) or {} for number, slot in state["done"]]
    if any(proposal["model_lost"] for proposal in proposals):
        return "model_unavailable"
    names = deps.roster.names
    if len(names) == 1 and proposals and all(proposal["needs_language_model"] for proposal in proposals):
        return "needs_language_model"
    out = exhausted(deps.ledger, names)
    if len(names) > 1 and set(names) <= out.keys():
        return "needs_language_model" if set(out.values()) == {"needs_language_model"} else _cap(out)
    if len(names) == 1 and out.get(names[0]) in ("max_tokens", "max_cost"):
        return _cap(out)
    return stop_before_round(deps.bounds, deps.spent(state))


def _cap(out: dict[str, str]) -> StopReason:
    return "max_tokens" if "max_tokens" in out.values() else "max_cost"
