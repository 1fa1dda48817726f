"""Errors of the memory room: StoreError (never MemoryError, which is a builtin)."""

from __future__ import annotations


class StoreError(Exception):
    """The store cannot be read or written; the message says which file and how to mend it."""
