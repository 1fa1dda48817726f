"""Errors of the memory room: StoreError (never MemoryError, which is a builtin), KnowledgeError, UnknownDocument."""

from __future__ import annotations


class StoreError(Exception):
    """The store cannot be read or written; the message says which file and how to mend it."""


class KnowledgeError(Exception):
    """A document cannot be used: the message names the file and the line, and says how to mend it."""

    def __init__(self, where: str, line: int | None, fault: str) -> None:
        super().__init__(f"{where}:{line}: {fault}" if line is not None else f"{where}: {fault}")


class UnknownDocument(Exception):
    """There is no document of that name; ``similar`` holds names that come close."""

    def __init__(self, name: str, similar: tuple[str, ...]) -> None:
        super().__init__(f"there is no document {name!r}")
        self.similar = similar
