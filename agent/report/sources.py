"""The champion's source against its parent's and against the reference: unified diffs of bounded length."""

from __future__ import annotations

import difflib

from agent.ledger import Ledger
from agent.report.facts import SourceFacts
from tools.artifacts import ArtifactStore

MAX_CHARS = 120_000
"""Of a source that is shown, or of a diff; comparing takes time that grows with the square of the lines."""
MAX_LINES = 3000
CUT = "... (cut: it is longer than a report shows)"


def to_sources(ledger: Ledger, store: ArtifactStore, champion: str | None, reference: str | None) -> SourceFacts:
    """``reference`` is the artifact of the problem file; what was lost is None."""
    asked = _source(store, reference)
    if champion is None or ledger.find("judged", champion) is None:
        return SourceFacts(None, None, asked, None, None)
    node = ledger.node(champion)
    mine = _source(store, node.source_artifact)
    came_from = None
    if node.parent is not None and ledger.find("judged", node.parent) is not None:
        came_from = _source(store, ledger.node(node.parent).source_artifact)
    return SourceFacts(
        mine, came_from, asked, _diff(came_from, mine, f"parent {node.parent}"), _diff(asked, mine, "reference")
    )


def _source(store: ArtifactStore, artifact: str | None) -> str | None:
    if artifact is None:
        return None
    try:
        text = store.text(artifact)
    except KeyError:
        return None
    return _bounded(text)


def _bounded(text: str) -> str:
    lines = text[:MAX_CHARS].split("\n")
    return text if len(text) <= MAX_CHARS and len(lines) <= MAX_LINES else "\n".join([*lines[:MAX_LINES], CUT])


def _diff(before: str | None, after: str | None, name: str) -> str | None:
    if before is None or after is None:
        return None
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, "champion", lineterm="", n=3)
    return _bounded("\n".join(lines))
