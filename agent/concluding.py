"""From what happened to how it ended: composes the Outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.deps import Deps
from agent.ledger import Ledger
from agent.models.roster import summary
from agent.outcome import Outcome, RunStatus
from agent.starting import KIND, best_start, starts_told
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
    settings = deps.settings
    about = About(
        deps.run_id,
        deps.problem.name,
        settings.model,
        settings.target,
        settings.language,
        deps.folder,
        deps.roster.names,
    )
    elapsed_s = round(deps.log.elapsed_s(), 3)
    ending = Ending(status, message, confirmed=confirmed, stop_reason=stop_reason)
    return to_outcome(deps.ledger, about, ending, elapsed_s=elapsed_s)


@dataclass(frozen=True)
class About:
    """Which run it is."""

    run_id: str
    problem: str
    model: str
    target: str
    language: str
    folder: Path
    models: tuple[str, ...]
    """Their names, in the order of the settings."""


@dataclass(frozen=True)
class Ending:
    """How it ended, in short."""

    status: RunStatus
    message: str
    confirmed: str | None = None
    """The champion that held when judged again."""
    stop_reason: str | None = None


def to_outcome(ledger: Ledger, about: About, ending: Ending, *, elapsed_s: float) -> Outcome:
    """The outcome, from facts of the log alone: a replay comes to the same one."""
    tree, usage, confirmed = ledger.tree(), ledger.usage(), ending.confirmed
    recalled = ledger.find("recalled") or {"attempts": []}
    best = None
    if confirmed is not None:
        best = {**confirmed_verdict(ledger, confirmed), "path": str(about.folder / "best.py")}
    return Outcome(
        run_id=about.run_id,
        status=ending.status,
        problem=about.problem,
        model=about.model,
        target=about.target,
        language=about.language,
        candidates=len(tree),
        accepted=sum(node.status == "accepted" for node in tree),
        elapsed_s=elapsed_s,
        tokens=usage.tokens,
        cost_usd=usage.cost_usd,
        recalled=len(recalled["attempts"]),
        stored=len(ledger.all("remembered")),
        best=best,
        run_dir=str(about.folder),
        stop_reason=ending.stop_reason,
        message=ending.message,
        candidates_to_best=None if confirmed is None else _place(tree, confirmed),
        models=summary(ledger, about.models),
        starts=starts_told(ledger, confirmed),
    )


def how_it_ended(ledger: Ledger, confirmed: str | None, stop_reason: str | None) -> Ending:
    """Of a search that came to its end: with a champion that held, or without."""
    if confirmed is None:
        return Ending("no_improvement", explain_failure(ledger, stop_reason), stop_reason=stop_reason)
    return Ending("improved", explain_improvement(ledger, confirmed), confirmed=confirmed, stop_reason=stop_reason)


def confirmed_verdict(ledger: Ledger, candidate: str) -> dict[str, Any]:
    """The verdict that confirmed a candidate, as JSON."""
    confirmed = ledger.find("confirmed", candidate)
    assert confirmed is not None
    return dict(confirmed["verdict"])


def explain_improvement(ledger: Ledger, candidate: str) -> str:
    """One line for a run that improved."""
    verdict = confirmed_verdict(ledger, candidate)
    low, high = verdict["speedup_ci95"] or (verdict["speedup"], verdict["speedup"])
    baselines: dict[str, float] = verdict["baselines"]
    best = f" ({min(baselines, key=lambda name: baselines[name])})" if baselines else ""
    text = f"{verdict['speedup']:.2f}x [{low:.2f}, {high:.2f}] over the best baseline{best}"
    lost = [case for case in verdict["cases"] if len(verdict["cases"]) > 1 and case["speedup_ci95"][1] < 1]
    if lost:
        text += "; slower in " + ", ".join(f"{case['name']} ({case['speedup']:.2f}x)" for case in lost)
    return text + _over_start(ledger.find("confirmed", candidate) or {})


def _over_start(confirmed: dict[str, Any]) -> str:
    compared = confirmed.get("over_start")
    if compared is None:
        return ""
    if compared["speedup"] is None:
        return f"; not comparable with your kernel: {compared['why']}"
    low, high = compared["speedup_ci95"]
    return f"; {compared['speedup']:.2f}x [{low:.2f}, {high:.2f}] over your kernel"


def at_floor_line(reached: Sequence[Reached]) -> str:
    """One line for a problem that has nothing left to win: told by the case that is furthest from its floor."""
    least = min(reached, key=lambda one: one.fraction)
    where = f" in case {least.case}" if len(reached) > 1 else ""
    return (
        f"nothing is left to win: {least.baseline} reaches {least.fraction:.0%} of {roof_of([least.bound])}{where}; "
        "--no-stop-at-floor searches all the same"
    )


def explain_failure(ledger: Ledger, stop_reason: str | None) -> str:
    """One line for a run without improvement: why."""
    tree = ledger.tree()
    refusals = [data["refusal"] for data in ledger.all("proposed") if data["refusal"]]
    if stop_reason == "needs_language_model" and refusals:
        return str(refusals[-1])
    if (known := ledger.find("at_floor")) is not None:
        return str(known["message"])
    accepted = ranked(tree)
    if not tree:
        early = "it was asked to finish" if stop_reason == "request" else "the time was up"
        return f"no candidate was judged: {refusals[-1] if refusals else f'{early} before the first'}"
    if not accepted:
        return f"none of {len(tree)} candidates was accepted; the last one: {tree[-1].reason}"
    start = best_start(tree)
    if start is not None:
        return _no_better_than_start(ledger, start, [node for node in accepted if node.kind != KIND])
    if ledger.all("confirmed"):
        return "no candidate was faster when it was judged again"
    return f"no candidate is clearly faster than the best baseline; the best one: {accepted[0].speedup:.2f}x"


def _no_better_than_start(ledger: Ledger, start: Node, others: list[Node]) -> str:
    told = f"no candidate is clearly faster than your kernel ({start.speedup:.2f}x the best baseline)"
    for data in ledger.all("confirmed"):
        compared = data.get("over_start")
        if compared is not None and compared["speedup"] is not None:
            low, high = compared["speedup_ci95"]
            return f"{told}; judged again, one was {compared['speedup']:.2f}x [{low:.2f}, {high:.2f}] over it"
    return f"{told}; the best one: {others[0].speedup:.2f}x" if others else f"{told}; no other was accepted"


def _place(tree: list[Node], candidate: str) -> int:
    return 1 + [node.id for node in tree].index(candidate)
