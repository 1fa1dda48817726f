"""finish: exports the champion, remembers it, writes the report and closes the log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from langgraph.runtime import Runtime

from agent.concluding import conclude, confirmed_verdict, explain_failure, explain_improvement
from agent.deps import Deps
from agent.folder import write_atomically
from agent.outcome import Outcome
from agent.remembering import remember
from agent.reporting import to_report
from agent.state import RunState
from tools.verdict import Verdict


def finish(state: RunState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Writes files, the last experience and ``run_finished``, in this order: a finished run has all of it."""
    deps = runtime.context
    if deps.ledger.find("run_finished") is None:
        outcome = _conclude(deps, state)
        _export(deps, outcome)
        deps.emit("run_finished", **outcome.to_json())
    return {}


def _conclude(deps: Deps, state: RunState) -> Outcome:
    champion, reason = state["confirmed"], state["stop_reason"]
    if champion is None:
        message = explain_failure(deps, deps.ledger.first(state["judged"]), reason)
        return conclude(deps, "no_improvement", message, stop_reason=reason)
    remember(deps, state, champion, Verdict.from_json(confirmed_verdict(deps, champion)))
    message = explain_improvement(deps, champion)
    return conclude(deps, "improved", message, confirmed=champion, stop_reason=reason)


def _export(deps: Deps, outcome: Outcome) -> None:
    """Each file is whole or absent; best.py comes last but the report, which speaks of it."""
    write_atomically(deps.folder / "transcript.jsonl", _transcript(deps))
    if outcome.best is not None:
        verdict = {name: value for name, value in outcome.best.items() if name != "path"}
        node = deps.ledger.node(outcome.best["candidate"])
        write_atomically(deps.folder / "verdict.json", json.dumps(verdict, indent=2) + "\n")
        write_atomically(deps.folder / "best.py", deps.store.text(node.source_artifact))
    write_atomically(deps.folder / "report.md", to_report(deps.ledger, outcome))


def _transcript(deps: Deps) -> Iterator[str]:
    """Every message of every conversation, one JSON object a line; together they may be larger than memory."""
    for proposal in sorted(deps.ledger.all("proposed"), key=lambda data: (data["round"], data["slot"])):
        if proposal["transcript"] is None:
            continue
        place = {"round": proposal["round"], "slot": proposal["slot"]}
        for message in json.loads(deps.store.text(proposal["transcript"])):
            yield json.dumps({**place, "message": message}) + "\n"
