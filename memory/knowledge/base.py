"""The knowledge base's contract: a typed question to the index first, then the documents it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from memory.knowledge.documents import Document


@dataclass(frozen=True)
class KnowledgeQuery:
    """What is looked for; whatever is left empty is not asked. ``platform`` and ``language`` filter, the rest ranks."""

    platform: str = ""
    """``cpu``, ``nvidia``, ``amd`` or one of a user's own."""
    language: str = ""
    bottlenecks: tuple[str, ...] = ()
    phase: str = ""
    """``draft``, ``repair`` or ``improve``."""
    operators: tuple[str, ...] = ()
    """Families, such as ``softmax`` or ``matmul``."""
    text: str = ""
    limit: int = 6


@dataclass(frozen=True)
class Found:
    """One hit of the index. It holds no body: that is for whoever reads the document."""

    name: str
    title: str
    summary: str
    score: float
    why: str
    """What of the question it answers, one line."""


class KnowledgeBase(Protocol):
    """Documents by name, and an index of them; usable from several threads at once."""

    def find(self, query: KnowledgeQuery) -> list[Found]:
        """Best first; ties by name, so that the order is the same every time. Raises KnowledgeError."""

    def read(self, name: str) -> Document:
        """One document. Raises UnknownDocument, which names those of similar names."""

    def names(self) -> tuple[str, ...]:
        """Every document's name, sorted."""
