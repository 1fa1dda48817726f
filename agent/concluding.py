"""From what happened to how it ended: composes the Outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.deps import Deps
from agent.models.roster import summary
from agent.outcome import Outcome, RunStatus
from agent.tree import Node, ranked
from tools.roofline import Reached, roof_of


def conclude(
    deps: Deps,
    status: RunStatus,
    message: str,
    *,
    confirmed: str | None = None,
    stop_reason: str | None = None,
) -> Outcome:
    """The outcome, from the log; ``confirmed`` is the champion that held when judged again."""
    tree = deps.ledger.tree()
    usage = deps.ledger.usage()
    recalled = deps.ledger.find("recalled") or {"attempts": []}
    best = None
    if confirmed is not None:
        best = {**confirmed_verdict(deps, confirmed), "path": str(deps.folder / "best.py")}
    return Outcome(
        run_id=deps.run_id,
        status=status,
        problem=deps.problem.name,
        model=deps.settings.model,
        target=deps.settings.target,
        language=deps.settings.language,
        candidates=len(tree),
        accepted=sum(node.status == "accepted" for node in tree),
        elapsed_s=round(deps.log.elapsed_s(), 3),
        tokens=usage.tokens,
        cost_usd=usage.cost_usd,
        recalled=len(recalled["attempts"]),
        stored=len(deps.ledger.all("remembered")),
        best=best,
        run_dir=str(deps.folder),
        stop_reason=stop_reason,
        message=message,
        candidates_to_best=None if confirmed is None else _place(tree, confirmed),
        models=summary(deps.ledger, deps.roster.names),
    )


def confirmed_verdict(deps: Deps, candidate: str) -> dict[str, Any]:
    """The verdict that confirmed a candidate, as JSON."""
    confirmed = deps.ledger.find("confirmed", candidate)
    assert confirmed is not None
    return dict(confirmed["verdict"])


def explain_improvement(deps: Deps, candidate: str) -> str:
    """One line for a run that improved."""
    verdict = confirmed_verdict(deps, candidate)
    low, high = verdict["speedup_ci95"] or (verdict["speedup"], verdict["speedup"])
    baselines: dict[str, float] = verdict["baselines"]
    best = f" ({min(baselines, key=lambda name: baselines[name])})" if baselines else ""
    return f"{verdict['speedup']:.2f}x [{low:.2f}, {high:.2f}] over the best baseline{best}"


def at_floor_line(reached: Sequence[Reached]) -> str:
    """One line for a problem that has nothing left to win: told by the case that is furthest from its floor."""
    least = min(reached, key=lambda one: one.fraction)
    where = f" in case {least.case}" if len(reached) > 1 else ""
    return (
        f"nothing is left to win: {least.baseline} reaches {least.fraction:.0%} of {roof_of([least.bound])}{where}; "
        "--no-stop-at-floor searches all the same"
    )


def explain_failure(deps: Deps, tree: list[Node], stop_reason: str | None) -> str:
    """One line for a run without improvement: why."""
    refusals = [data["refusal"] for data in deps.ledger.all("proposed") if data["refusal"]]
    if stop_reason == "needs_language_model" and refusals:
        return str(refusals[-1])
    if (known := deps.ledger.find("at_floor")) is not None:
        return str(known["message"])
    accepted = ranked(tree)
    if not tree:
        return f"no candidate was judged: {refusals[-1] if refusals else 'the time was up before the first'}"
    if not accepted:
        return f"none of {len(tree)} candidates was accepted; the last one: {tree[-1].reason}"
    if deps.ledger.all("confirmed"):
        return "no candidate was faster when it was judged again"
    return f"no candidate is clearly faster than the best baseline; the best one: {accepted[0].speedup:.2f}x"


def _place(tree: list[Node], candidate: str) -> int:
    return 1 + [node.id for node in tree].index(candidate)
