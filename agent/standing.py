"""What a proposal may know of earlier candidates' verdicts: looked up in the log when it is asked for, never judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent.ledger import Ledger
from tools.artifacts import ArtifactStore
from tools.profiling.diagnosis import Diagnosis
from tools.standings import Standing
from tools.verdict import Verdict


@dataclass(frozen=True)
class Standings(Mapping[str, Standing]):
    """Candidate id to what is known of it, of those that a proposal may see."""

    ledger: Ledger
    store: ArtifactStore
    recalled: Mapping[str, float | None] = field(default_factory=dict)
    """Of candidates from memory: their speed-up in an earlier run."""
    visible: frozenset[str] = frozenset()

    def __getitem__(self, candidate: str) -> Standing:
        """Its verdict and profile in this run, else what memory says."""
        judged = self.ledger.find("judged", candidate) if candidate in self.visible else None
        if judged is None:
            return Standing(elsewhere=self.recalled[candidate])
        proposed = self.ledger.find("proposed", judged["round"], judged["slot"]) or {}
        profile = proposed.get("profile") if proposed.get("candidate") == candidate else None
        return Standing(
            verdict=Verdict.from_json(judged["verdict"]),
            profile=None if profile is None else Diagnosis.model_validate_json(self.store.get(profile)),
        )

    def __iter__(self) -> Iterator[str]:
        """Ids of those of whom something is known."""
        known = (one for one in sorted(self.visible) if self.ledger.find("judged", one) is not None)
        return iter(dict.fromkeys((*known, *self.recalled)))

    def __len__(self) -> int:
        """How many there are."""
        return sum(1 for _ in self)
