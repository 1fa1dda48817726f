"""baselines: how fast eager and torch.compile are here."""

from __future__ import annotations

import math
from typing import Any

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.state import RunState


def baselines(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes ``baselines``: name to seconds, geometric mean over the cases."""
    deps = runtime.context
    known = deps.ledger.find("baselines_measured")
    if known is None:
        deps.stop.check()
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
    return {"baselines": known["baselines"]}
