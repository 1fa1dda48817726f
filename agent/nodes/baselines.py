"""baselines: how fast eager and torch.compile are here, and whether that leaves anything to win."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from langgraph.runtime import Runtime

from agent.budget import StopReason
from agent.concluding import at_floor_line
from agent.deps import Deps
from agent.state import RunState
from tools.roofline import nothing_left
from tools.verdict import Timing


def baselines(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes ``baselines``: name to seconds, geometric mean over the cases; ``stop_reason`` if at the floor."""
    deps = runtime.context
    known = deps.ledger.find("baselines_measured")
    if known is None:
        deps.steering.seam()
        deps.space.wait()
        measured = deps.judge.baselines(deps.notice())
        means = {
            name: math.exp(sum(math.log(timing.median_s) for timing in cases.values()) / len(cases))
            for name, cases in measured.items()
            if cases
        }
        known = deps.emit(
            "baselines_measured",
            baselines=means,
            cases={
                name: {case: timing.model_dump(mode="json") for case, timing in cases.items()}
                for name, cases in measured.items()
            },
        ).data
    return {"baselines": known["baselines"], "stop_reason": _stop_reason(deps, state, known["cases"])}


def _stop_reason(deps: Deps, state: RunState, cases: dict[str, dict[str, Any]]) -> StopReason | None:
    """``at_floor``, with an event that says so, before any budget is spent on nothing."""
    timings = {
        name: {case: Timing.model_validate(timing) for case, timing in times.items()} for name, times in cases.items()
    }
    reached = nothing_left(deps.description(state), timings)
    if not reached or not deps.settings.stop_at_floor:
        return None
    message = at_floor_line(reached)
    deps.once("at_floor", cases=[asdict(one) for one in reached], message=message)
    return "at_floor"
