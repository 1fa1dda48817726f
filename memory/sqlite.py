"""The store that lasts: one SQLite file, shared by every run on a machine."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from memory.errors import StoreError
from memory.experience import Experience
from memory.retrieval import Features, Ranked, document, features_of, rank, rank_text, words
from memory.schema import COLUMNS, SchemaTooNew, has_text_index, prepare
from memory.store import Query, Recalled

# The phrases are SQLite's own, the same since version 3.
_MENDS = {
    "locked": "another process holds it: try again when it has ended",
    "readonly": "make the file and its folder writable, or set KERNELWRIGHT_HOME to another folder",
    "not a database": "move it away and a new one is made",
    "malformed": "move it away and a new one is made",
    "full": "free some disk space",
    "unable to open": "check that its folder exists and can be written, or set KERNELWRIGHT_HOME to another",
}


class SqliteStore:
    """An ``ExperienceStore`` in a file.

    Write-ahead logging lets readers and one writer work at once; writers of other processes are waited for.
    Every ``add`` is one transaction: a process killed in the middle leaves the file as it was before.
    """

    def __init__(self, path: Path, busy_timeout_s: float = 10.0) -> None:
        """Open or make the file. Raises StoreError."""
        self.path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        with self._border("open"):
            path.parent.mkdir(parents=True, exist_ok=True)
            # autocommit: transactions are begun and ended by name below
            connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                prepare(connection)
                self._text_index = has_text_index(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection

    def add(self, experience: Experience) -> bool:
        """Store; False if it was there already. Raises StoreError."""
        item, content = features_of(experience), document(experience)
        values = (
            *(_to_column(getattr(item, name)) for name in COLUMNS),
            content,
            experience.model_dump_json(),
        )
        marks = ", ".join("?" * len(values))
        statement = (
            f"INSERT INTO experience ({', '.join(COLUMNS)}, document, body) "  # noqa: S608 - our own constants
            f"VALUES ({marks}) ON CONFLICT (id) DO NOTHING"
        )
        with self._border("write"), self._transaction() as connection:
            cursor = connection.execute(statement, values)
            if cursor.rowcount == 0:
                return False
            if self._text_index:
                connection.execute(
                    "INSERT INTO experience_text (rowid, document) VALUES (?, ?)", (cursor.lastrowid, content)
                )
            return True

    def recall(self, query: Query) -> list[Recalled]:
        """Best first, as ``memory.retrieval.rank`` has it. Raises StoreError."""
        where = "target = ? AND language = ? AND precision = ?"
        rows = self._rows(", ".join(COLUMNS), where, (query.target, query.language, query.precision))
        return self._hits(rank((_to_features(row) for row in rows), query))

    def search(self, text: str, limit: int = 10) -> list[Recalled]:
        """Full text over problem, operators, strategy and lesson. Raises StoreError."""
        terms = words(text)
        if not terms:
            return []
        if self._text_index:
            where = "seq IN (SELECT rowid FROM experience_text WHERE experience_text MATCH ?)"
            arguments: tuple[str, ...] = (" OR ".join(f'"{term}"*' for term in terms),)
        else:
            where = " OR ".join(["' ' || document LIKE ?"] * len(terms))
            arguments = tuple(f"% {term}%" for term in terms)
        rows = self._rows(f"{', '.join(COLUMNS)}, document", where, arguments)
        return self._hits(rank_text(((_to_features(row), row[-1]) for row in rows), text, limit))

    def entries(self) -> Iterator[Experience]:
        """Every experience, oldest first. Raises StoreError."""
        return iter([self._parse(row[0]) for row in self._rows("body", "1 ORDER BY seq", ())])

    def count(self) -> int:
        """How many there are. Raises StoreError."""
        return int(self._rows("COUNT(*)", "1", ())[0][0])

    def close(self) -> None:
        """Let go of the file; idempotent."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _hits(self, ranked: list[Ranked]) -> list[Recalled]:
        hits: list[Recalled] = []
        for hit in ranked:
            body = self._rows("body", "id = ?", (hit.id,))[0][0]
            hits.append(Recalled(self._parse(body), hit.score, hit.why))
        return hits

    def _rows(self, columns: str, where: str, arguments: tuple[object, ...]) -> list[tuple[str, ...]]:
        statement = f"SELECT {columns} FROM experience WHERE {where}"  # noqa: S608 - our own constants
        with self._border("read"), self._lock:
            return self._open().execute(statement, arguments).fetchall()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"the memory file {self.path} was closed already: open it again")
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:  # SQLite ends it by itself when the disk is full
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _parse(self, body: str) -> Experience:
        try:
            return Experience.model_validate_json(body)
        except ValidationError as error:
            raise StoreError(
                f"the memory file {self.path} holds a record that cannot be read: move it away and a new one is made"
            ) from error

    @contextmanager
    def _border(self, doing: str) -> Iterator[None]:
        """Translate every error of the file system and of SQLite, here and nowhere else."""
        try:
            yield
        except SchemaTooNew as error:
            raise StoreError(f"cannot use the memory file {self.path}: {error}: upgrade kernelwright") from error
        except OSError as error:
            raise StoreError(
                f"cannot {doing} the memory file {self.path}: {error.strerror}: "
                "set KERNELWRIGHT_HOME to a folder that can be written"
            ) from error
        except sqlite3.Error as error:
            mend = next((text for phrase, text in _MENDS.items() if phrase in str(error)), "see the folder's state")
            raise StoreError(f"cannot {doing} the memory file {self.path}: {error}: {mend}") from error


def _to_column(value: object) -> object:
    return json.dumps(value) if isinstance(value, tuple) else value


def _to_features(row: tuple[str, ...]) -> Features:
    fields = dict(zip(COLUMNS, row, strict=False))
    return Features(
        id=fields["id"],
        operator_signature=fields["operator_signature"],
        shape_signature=fields["shape_signature"],
        operators=tuple(json.loads(fields["operators"])),
        shapes=tuple(tuple(shape) for shape in json.loads(fields["shapes"])),
        target=fields["target"],
        language=fields["language"],
        precision=fields["precision"],
        hardware=fields["hardware"],
        accepted=bool(fields["accepted"]),
        confirmed=bool(fields["confirmed"]),
        speedup=float(fields["speedup"]),
        source_hash=fields["source_hash"],
    )
