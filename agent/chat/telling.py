"""What a chat tells of a search, from its log and its store alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.events import read_events
from agent.ledger import Ledger
from agent.tree import Node, ranked
from agent.tuning.telling import tries_text
from tools.artifacts import ArtifactStore
from tools.problem_text import fenced, one_line

NEWEST = 6
"""Attempts that are told."""
MANY = 12
"""That a model is told."""


@dataclass(frozen=True)
class Search:
    """A search as its log has it now."""

    ledger: Ledger
    store: ArtifactStore

    @classmethod
    def read(cls, run: Path) -> Search:
        """Of the run in a folder; empty before its first event. Raises RunError for a damaged log."""
        log = run / "events.jsonl"
        return cls(Ledger(read_events(log) if log.exists() else ()), ArtifactStore(run / "artifacts"))

    @property
    def best(self) -> Node | None:
        """The champion, or the last one that held."""
        held = [data["candidate"] for data in self.ledger.all("confirmed") if data["holds"]]
        crowned = held or [data["candidate"] for data in self.ledger.all("champion")]
        return self.ledger.node(crowned[-1]) if crowned else None

    def find(self, name: str) -> Node | None:
        """A candidate by the beginning of its id; without a name the best, else the last one."""
        tree = self.ledger.tree()
        if not name:
            return self.best or (tree[-1] if tree else None)
        return next((node for node in tree if node.id.startswith(name)), None)

    def source(self, node: Node) -> str:
        """Its text."""
        return self.store.text(node.source_artifact)

    def status(self) -> str:
        """How it stands."""
        tree, best = self.ledger.tree(), self.best
        baselines: dict[str, float] = (self.ledger.find("baselines_measured") or {"baselines": {}})["baselines"]
        fastest = min(baselines, key=lambda name: baselines[name]) if baselines else ""
        told = [f"{len(tree)} judged, {sum(node.status == 'accepted' for node in tree)} accepted"]
        if baselines:
            told.append(f"to beat: {fastest}, {baselines[fastest] * 1e6:.1f} us")
        told.append("nothing accepted yet" if best is None else f"best: {_line(best)}")
        usage = self.ledger.usage()
        if usage.tokens:
            cost = "cost unknown" if usage.cost_usd is None else f"${usage.cost_usd:.4f}"
            told.append(f"{usage.tokens:,} tokens, {cost}")
        return "\n".join(told)

    def attempts(self, count: int = NEWEST) -> str:
        """What was tried last, and why."""
        tree = self.ledger.tree()
        return "\n".join(_line(node) for node in tree[-count:]) or "nothing was judged yet"

    def lessons(self) -> str:
        """What the verdicts taught, the best candidates' first, each once."""
        told: dict[str, str] = {}
        tree = self.ledger.tree()
        for node in [*ranked(tree), *(one for one in tree if one.status != "accepted")]:
            if node.lesson.strip():
                told.setdefault(one_line(node.lesson), f"{node.id[:8]}: {one_line(node.lesson)}")
        return "\n".join([*told.values()][:MANY]) or "nothing yet: no candidate was judged"

    def explain(self, node: Node) -> str:
        """A candidate by what the log has: what it does, how it did, what limits it."""
        known: dict[str, Any] = self.ledger.find("reflected", node.id) or {}
        parent = f", made from {node.parent[:8]}" if node.parent else ""
        lines = [_line(node), f"written by {node.origin} in {node.language}{parent}"]
        if known.get("bottleneck"):
            lines.append(f"limited by: {known['bottleneck']} ({one_line(str(known['evidence']))})")
        if node.roofline_fraction is not None:
            lines.append(f"reaches {node.roofline_fraction:.0%} of what the device allows at most")
        if node.lesson.strip():
            lines.append(f"lesson: {one_line(node.lesson)}")
        tries = self.ledger.tries(node.id)
        if tries:
            lines += ["numbers that were tried:", tries_text(tries)]
        return "\n".join(lines)

    def facts(self, name: str) -> str:
        """All of that for a model that is asked about it."""
        node = self.find(name)
        parts = [f"## How it stands\n{self.status()}", f"## Attempts\n{self.attempts(MANY)}"]
        if node is not None:
            parts.append(f"## Candidate {node.id[:8]}\n{self.explain(node)}\n{fenced(self.source(node))}")
        started = self.ledger.find("run_started")
        if started is not None:
            parts.append(f"## Problem\n{fenced(self.store.text(started['source']))}")
        return "\n\n".join(parts)


def _line(node: Node) -> str:
    if node.status == "accepted" and node.speedup is not None:
        low, high = node.speedup_ci95 or (node.speedup, node.speedup)
        result = f"{node.speedup:.2f}x [{low:.2f}, {high:.2f}]"
    else:
        result = f"rejected ({node.reason})"
    return f"{node.id[:8]} {result}: {one_line(node.strategy) or 'no strategy was told'}"
