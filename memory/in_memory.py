"""A store that forgets when the process ends: for tests, examples and runs with memory switched off."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from memory.experience import Experience
from memory.retrieval import Ranked, document, features_of, rank, rank_text
from memory.store import Query, Recalled


class InMemoryStore:
    """An ``ExperienceStore`` in a dictionary; safe to use from several threads."""

    def __init__(self, experiences: Iterable[Experience] = ()) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Experience] = {item.id: item for item in experiences}

    def add(self, experience: Experience) -> bool:
        """Store; False if it was there already."""
        with self._lock:
            if experience.id in self._entries:
                return False
            self._entries[experience.id] = experience
            return True

    def recall(self, query: Query) -> list[Recalled]:
        """Best first, as ``memory.retrieval.rank`` has it."""
        return self._hits(rank((features_of(item) for item in self.entries()), query))

    def search(self, text: str, limit: int = 10) -> list[Recalled]:
        """Full text over problem, operators, strategy and lesson."""
        documents = ((features_of(item), document(item)) for item in self.entries())
        return self._hits(rank_text(documents, text, limit))

    def entries(self) -> Iterator[Experience]:
        """Every experience, oldest first."""
        with self._lock:
            return iter(list(self._entries.values()))

    def count(self) -> int:
        """How many there are."""
        return len(self._entries)

    def close(self) -> None:
        """Nothing to let go of."""

    def _hits(self, ranked: list[Ranked]) -> list[Recalled]:
        return [Recalled(self._entries[hit.id], hit.score, hit.why) for hit in ranked]
