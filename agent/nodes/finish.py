"""finish: exports the champion, remembers it, writes the report and closes the log."""

from __future__ import annotations

from typing import Any

from langgraph.runtime import Runtime

from agent.concluding import conclude, confirmed_verdict, how_it_ended
from agent.deps import Deps
from agent.events import read_events
from agent.folder import write_atomically
from agent.leaving import final_files
from agent.outcome import Outcome
from agent.remembering import remember
from agent.state import RunState
from tools.verdict import Verdict


def finish(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes files, the last experience and ``run_finished``, in this order: a finished run has all of it."""
    deps = runtime.context
    if deps.ledger.find("run_finished") is None:
        outcome = _conclude(deps, state)
        events = read_events(deps.log.path)
        for name, text in final_files(events, deps.ledger, deps.store, outcome):
            write_atomically(deps.folder / name, text)
        deps.emit("run_finished", **outcome.to_json())
    return {}


def _conclude(deps: Deps, state: RunState) -> Outcome:
    champion, reason = state["confirmed"], state["stop_reason"]
    if champion is not None:
        remember(deps, state, champion, Verdict.from_json(confirmed_verdict(deps.ledger, champion)))
    ending = how_it_ended(deps.ledger, champion, reason)
    return conclude(deps, ending.status, ending.message, confirmed=champion, stop_reason=reason)
