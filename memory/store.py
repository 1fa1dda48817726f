"""The store's contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from memory.experience import Experience


@dataclass(frozen=True)
class Query:
    """What is looked for. Signatures rank; target, language and precision filter."""

    operator_signature: str
    shape_signature: str
    operators: tuple[str, ...]
    target: str
    language: str
    precision: str
    hardware: str = ""
    text: str = ""
    shapes: tuple[tuple[int, ...], ...] = ()
    """Shapes of the inputs, all cases in order; empty when unknown."""
    limit: int = 5


@dataclass(frozen=True)
class Recalled:
    """One hit."""

    experience: Experience
    score: float
    """0 to 1; 1 is the same operator at the same shapes on the same hardware."""
    why: str
    """``same operator, same shapes``, ``same operator, other shapes``, ``similar operator``."""


class ExperienceStore(Protocol):
    """Append-only and idempotent by ``Experience.id``; usable from several threads and processes at once."""

    def add(self, experience: Experience) -> bool:
        """Store; False if it was there already. Raises StoreError."""

    def recall(self, query: Query) -> list[Recalled]:
        """Best first; ties by confirmed, speed-up, then id, so the order is the same every time."""

    def search(self, text: str, limit: int = 10) -> list[Recalled]:
        """Full text over problem, operators, strategy and lesson."""

    def entries(self) -> Iterator[Experience]:
        """Every experience, oldest first. Raises StoreError."""

    def count(self) -> int:
        """How many there are."""

    def close(self) -> None:
        """Let go of the file; idempotent."""
