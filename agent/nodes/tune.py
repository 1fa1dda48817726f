"""tune: the numbers that new candidates leave open are chosen by measuring; what is chosen is judged like any other.

A setting is tried in a quick measurement, and every try is an event: after a kill the tries before it are taken from
the log. What is quickest among many quick measurements is lucky as well as quick: it is measured again in turn with the
defaults, dropped if that shows no gain, and then nothing but its verdict counts.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langgraph.runtime import Runtime

from agent.budget import StopReason, confirmation_reserve_s, stop_before_judging
from agent.deps import Deps
from agent.nodes.judge import judge_one
from agent.state import RunState
from agent.tree import Node, ranked
from agent.tuning.choosing import Try, allowance_s, chosen, is_worth_tuning, latest, run_off, to_tried
from agent.tuning.sampling import next_setting
from agent.tuning.telling import tries_text
from sandbox.errors import SandboxError
from tools.candidate import Candidate
from tools.errors import JudgeUnavailable
from tools.likeness import likeness
from tools.parameters import BadDeclaration, Parameter, parameters_of, settings_of, values_text, with_values
from tools.problem_text import one_line
from tools.verdict import Measurement

BUDGET_SHARE = 0.25
"""Of the run's seconds, what all tuning may take where nobody said how long."""


def tune(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes ``fresh``, ``judged``, ``faults`` and perhaps ``stop_reason``. The fastest candidate has its turn first.

    Raises JudgeUnavailable when the judge fails again and again, RunInterrupted between two tries when asked to stop.
    """
    deps = runtime.context
    if not deps.settings.tune_trials or state["stop_reason"] is not None:
        return {}
    fresh, judged, faults = list(state["fresh"]), state["judged"], state["faults"]
    reason: StopReason | None = None
    for node in ranked(deps.ledger.tree(state["fresh"])):
        tuned = _tuned(deps, state, node, judged)
        if tuned is None or tuned["winner"] is None:
            continue
        place = deps.ledger.place(tuned["winner"])
        if place is None:
            candidate = deps.candidate(tuned["source_artifact"], node.language)
            looks = likeness(candidate)
            if looks is not None and deps.ledger.alike(looks) is not None:
                continue
            reason = _stop_reason(deps, state, judged)
            if reason is not None:
                break
            deps.steering.seam()
            text = f"tuned, by quick measurements:\n{tries_text(deps.ledger.tries(node.id))}"
            faults = judge_one(deps, _proposal(deps, node, tuned), candidate, looks, judged + 1, faults, log=text)
            place = deps.ledger.place(candidate.id)
        if place is not None and place >= judged:
            fresh.append(tuned["winner"])
            judged += 1
    return {"fresh": fresh, "judged": judged, "faults": faults, "stop_reason": reason}


def _tuned(deps: Deps, state: RunState, node: Node, judged: int) -> dict[str, Any] | None:
    """The ``tuned`` data of a candidate, found out now unless it was before; None for one that declares nothing."""
    known = deps.ledger.find("tuned", node.id)
    if known is not None:
        return known
    source = deps.store.text(node.source_artifact)
    parameters = _declared(source)
    if not parameters:
        return None
    why = None if deps.ledger.find("tuning", node.id) is not None else _begin(deps, state, node, parameters, judged)
    # That it is not tuned is a fact too: a run that is told again must not think otherwise.
    why = why or _try_settings(deps, state, node, source, parameters, judged)
    _measure_again(deps, state, node, source, judged)
    tries, again = deps.ledger.tries(node.id), deps.ledger.again(node.id)
    quickest = chosen(tries, node.speedup or 0.0)
    best = chosen(tries, node.speedup or 0.0, again)
    before = latest(again, 0) or next((one["speedup"] for one in tries if one["number"] == 0), None) or node.speedup
    winner = None if best is None else Candidate(source=with_values(source, best["values"]), language=node.language)
    return deps.emit(
        "tuned",
        candidate=node.id,
        tried=len(tries),
        failed=sum(one["speedup"] is None for one in tries),
        values=None if best is None else best["values"],
        before=before,
        speedup=None if quickest is None else _figure(quickest, again),
        again=len(again),
        winner=None if winner is None else winner.id,
        source_artifact=None if winner is None else deps.store.put(winner.source),
        ended_by=why,
    ).data


def _figure(quickest: Try, again: Sequence[Try]) -> float | None:
    """Of the quickest setting as it was measured last; None where it failed then."""
    is_again = any(one["number"] == quickest["number"] for one in again)
    return latest(again, quickest["number"]) if is_again else quickest["speedup"]


def _declared(source: str) -> tuple[Parameter, ...]:
    """Nothing where it cannot be read: it came from a time when that was no declaration."""
    try:
        return parameters_of(source)
    except BadDeclaration:
        return ()


def _begin(deps: Deps, state: RunState, node: Node, parameters: tuple[Parameter, ...], judged: int) -> str | None:
    """Begin, which is an event; or the reason why not: it is not worth it, or there is no time."""
    fastest = max(one.speedup or 0.0 for one in deps.ledger.first(judged))
    if not is_worth_tuning(node, fastest):
        return "hopeless"
    reason = _stop_reason(deps, state, judged)
    if reason is not None:
        return reason
    seconds = allowance_s(_budget_s(deps), _taken_s(deps))
    if not seconds:
        return "tune_seconds"
    if importlib.util.find_spec("optuna") is None:
        deps.emit("warning", text="optuna is not installed, so nothing is tuned: pip install optuna")
        return "no_optuna"
    deps.emit(
        "tuning",
        candidate=node.id,
        parameters={one.name: list(one.values) for one in parameters},
        settings=settings_of(parameters),
        trials=deps.settings.tune_trials,
        seconds=round(seconds, 3),
    )
    return None


def _budget_s(deps: Deps) -> float:
    """Of all tuning of the run."""
    stated = deps.settings.tune_seconds
    return BUDGET_SHARE * deps.bounds.max_seconds if stated is None else stated


def _taken_s(deps: Deps) -> list[float]:
    """By every measurement so far."""
    return [one["seconds"] for kind in ("setting_tried", "setting_again") for one in deps.ledger.all(kind)]


def _try_settings(
    deps: Deps, state: RunState, node: Node, source: str, parameters: tuple[Parameter, ...], judged: int
) -> str:
    """Until something says that it is enough; which."""
    plan = deps.ledger.find("tuning", node.id)
    assert plan is not None
    while True:
        tries = deps.ledger.tries(node.id)
        taken_s = sum(one["seconds"] for one in tries)
        if tries and taken_s >= plan["seconds"]:
            return "tune_seconds"
        if tries and _stop_reason(deps, state, judged, taken_s / len(tries)) is not None:
            return "max_seconds"
        values = next_setting(parameters, to_tried(tries), seed=deps.settings.seed, most=plan["trials"])
        if values is None:
            return "tune_trials" if len(tries) < plan["settings"] else "exhausted"
        deps.steering.seam()
        deps.space.wait()
        try:
            _try(deps, node, source, values, len(tries))
        except (JudgeUnavailable, SandboxError) as error:
            deps.emit("warning", text=f"tuning {node.id} ends early: the judge could not work: {one_line(str(error))}")
            return "judge"


def _measure_again(deps: Deps, state: RunState, node: Node, source: str, judged: int) -> None:
    """The quickest setting and the defaults in turn, if there is a quickest and time to judge it afterwards."""
    tries = deps.ledger.tries(node.id)
    best = chosen(tries, node.speedup or 0.0)
    if best is None or tries[0]["speedup"] is None:
        return
    mean_s = sum(one["seconds"] for one in tries) / len(tries)
    for turn, number in enumerate(run_off(best["number"])):
        if turn < len(deps.ledger.again(node.id)):
            continue
        if sum(_taken_s(deps)) + mean_s > _budget_s(deps) or _stop_reason(deps, state, judged, mean_s) is not None:
            return
        deps.steering.seam()
        deps.space.wait()
        try:
            found, seconds = _measured(deps, node, source, tries[number]["values"], "measuring again")
        except (JudgeUnavailable, SandboxError) as error:
            deps.emit("warning", text=f"nothing more of {node.id} is measured again: {one_line(str(error))}")
            return
        deps.emit("setting_again", candidate=node.id, turn=turn, number=number, speedup=found.speedup, seconds=seconds)


def _try(deps: Deps, node: Node, source: str, values: dict[str, int], number: int) -> Try:
    found, seconds = _measured(deps, node, source, values, f"setting {number + 1}")
    return deps.emit(
        "setting_tried",
        candidate=node.id,
        number=number,
        values=values,
        speedup=found.speedup,
        call_s=found.seconds,
        reason=found.reason,
        detail=one_line(found.detail, 200),
        seconds=seconds,
    ).data


def _measured(deps: Deps, node: Node, source: str, values: dict[str, int], what: str) -> tuple[Measurement, float]:
    """A quick measurement of a setting, and how many seconds it took."""
    began_s = deps.log.elapsed_s()
    deps.notice(candidate=node.id)(f"tuning {node.id[:8]}, {what}: {values_text(values)}")
    found = deps.judge.measure(Candidate(source=with_values(source, values), language=node.language))
    return found, round(deps.log.elapsed_s() - began_s, 3)


def _stop_reason(deps: Deps, state: RunState, judged: int, more_s: float = 0.0) -> StopReason | None:
    """Why no winner could be judged after ``more_s``: there is something to confirm by now, whatever comes of it."""
    spent = deps.spent(state)
    reserve_s = confirmation_reserve_s(spent.judging_s, has_champion=True)
    after = replace(spent, candidates=judged, elapsed_s=spent.elapsed_s + more_s, reserve_s=reserve_s)
    return stop_before_judging(deps.bounds, after)


def _proposal(deps: Deps, node: Node, tuned: dict[str, Any]) -> dict[str, Any]:
    """The winner's place in the tree: a child of what declared it, of the same model and slot."""
    return {
        "round": node.round,
        "slot": node.slot,
        "parent": node.id,
        "language": node.language,
        "origin": node.origin,
        "strategy": one_line(f"tuned {values_text(tuned['values'])}: {node.strategy}"),
        "source_artifact": tuned["source_artifact"],
    }
