"""Tables of the SQLite store and the steps from one version to the next."""

from __future__ import annotations

import sqlite3

SCHEMA_VERSION = 1

COLUMNS = (
    "id", "operator_signature", "shape_signature", "operators", "shapes", "target", "language", "precision",
    "hardware", "accepted", "confirmed", "speedup", "source_hash",
)  # fmt: skip
"""The columns ranking reads, in the order of ``memory.retrieval.Features``."""

_VERSION_1 = (
    """
    CREATE TABLE experience (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        operator_signature TEXT NOT NULL,
        shape_signature TEXT NOT NULL,
        operators TEXT NOT NULL,
        shapes TEXT NOT NULL,
        target TEXT NOT NULL,
        language TEXT NOT NULL,
        precision TEXT NOT NULL,
        hardware TEXT NOT NULL,
        accepted INTEGER NOT NULL,
        confirmed INTEGER NOT NULL,
        speedup REAL NOT NULL,
        source_hash TEXT NOT NULL,
        document TEXT NOT NULL,
        body TEXT NOT NULL
    )
    """,
    "CREATE INDEX experience_by_kind ON experience (target, language, precision)",
)

_FULL_TEXT = """
    CREATE VIRTUAL TABLE experience_text
    USING fts5(document, content='', tokenize='unicode61 remove_diacritics 0')
    """


class SchemaTooNew(Exception):
    """The file was written by a later version of this program."""


def prepare(connection: sqlite3.Connection) -> None:
    """Bring the file to ``SCHEMA_VERSION``, in one transaction. Raises SchemaTooNew, sqlite3.Error."""
    if _version(connection) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _version(connection)  # another process may have been first
        if version > SCHEMA_VERSION:
            raise SchemaTooNew(f"its format is version {version}, this program knows {SCHEMA_VERSION}")
        if version == 0:
            for statement in _VERSION_1:
                connection.execute(statement)
            if has_fts5(connection):
                connection.execute(_FULL_TEXT)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite ends it by itself when the disk is full
            connection.execute("ROLLBACK")
        raise


def has_fts5(connection: sqlite3.Connection) -> bool:
    """Whether this build of SQLite has the full-text module."""
    return connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone() is not None


def has_text_index(connection: sqlite3.Connection) -> bool:
    """Whether the full-text index can be used: the file has one and so has this build of SQLite."""
    row = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experience_text'").fetchone()
    return row is not None and has_fts5(connection)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
