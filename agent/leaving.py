"""What a finished run leaves in its folder: texts made of the log and the artifact store, and of nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from agent.events import Event
from agent.ledger import Ledger
from agent.outcome import Outcome
from agent.report.gathering import to_facts
from agent.report.page import to_page
from agent.report.telling import sections
from agent.reporting import to_report
from tools.artifacts import ArtifactStore


def final_files(
    events: Sequence[Event], ledger: Ledger, store: ArtifactStore, outcome: Outcome
) -> Iterator[tuple[str, str | Iterator[str]]]:
    """Name and text of each file, in the order in which they are written.

    best.py comes last but the reports, which speak of it.
    """
    yield "transcript.jsonl", _transcript(ledger, store)
    if outcome.best is not None:
        verdict = {name: value for name, value in outcome.best.items() if name != "path"}
        node = ledger.node(outcome.best["candidate"])
        yield "verdict.json", json.dumps(verdict, indent=2) + "\n"
        yield "best.py", store.text(node.source_artifact)
    facts = to_facts(events, store, outcome)
    yield "report.html", to_page(facts)
    yield "report.md", to_report(ledger, outcome, sections(facts))


def _transcript(ledger: Ledger, store: ArtifactStore) -> Iterator[str]:
    """Every message of every conversation, one JSON object a line; together they may be larger than memory."""
    for proposal in sorted(ledger.all("proposed"), key=lambda data: (data["round"], data["slot"])):
        if proposal["transcript"] is None:
            continue
        place = {"round": proposal["round"], "slot": proposal["slot"]}
        for message in json.loads(store.text(proposal["transcript"])):
            yield json.dumps({**place, "message": message}) + "\n"
