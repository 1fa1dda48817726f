"""describe: what a sandbox finds out about the problem by running its reference once."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agent.deps import Deps
from agent.state import RunState


def describe(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes ``description``. Raises RequestError for a problem that cannot be used."""
    deps = runtime.context
    known = deps.ledger.find("described")
    if known is None:
        deps.steering.seam()
        deps.space.wait()
        found = deps.judge.describe()
        known = deps.emit(
            "described",
            description=deps.store.put(found.model_dump_json()),
            operators=list(found.operators),
            cases=[case.model_dump(mode="json") for case in found.cases],
            cpu=found.cpu,
            threads=found.threads,
            torch_version=found.torch_version,
            oracle=found.oracle,
            graph_error=found.graph_error,
        ).data
    return {"description": known["description"]}
