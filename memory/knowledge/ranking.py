"""Which documents answer a question, and how well: pure but for the full-text index, which is SQLite's.

A document's score is what its front matter answers of the typed question, plus its BM25 score for the question's words.
Front matter weighs more: who knows the bottleneck gets the documents about it, and words order those among each other.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence

from memory.knowledge.base import Found, KnowledgeQuery
from memory.knowledge.documents import ANY, Document
from memory.retrieval import words
from memory.schema import has_fts5

BOTTLENECK, OPERATOR, LANGUAGE, PLATFORM, PHASE = 5.0, 5.0, 1.0, 1.0, 1.0
MEANS_ALL = 0.25
"""Of the weight, for a document that is about every language, platform or operator."""
OTHER_OPERATORS = -2.0
"""For a document about operators that were not asked for."""
TEXT = 2.0
"""Weight of the words."""
_COLUMNS = {"name": 4.0, "title": 6.0, "summary": 4.0, "keywords": 6.0, "tags": 4.0, "body": 1.0}
"""Columns of the full-text index and their weights."""
_DECIMALS = 4
"""Scores are rounded, so that the last places of an index's arithmetic decide nothing."""


class TextIndex:
    """BM25 over titles, summaries, keywords and bodies; in memory, shared by threads."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._lock = threading.Lock()
        self._words: dict[str, str] = {}
        self._connection: sqlite3.Connection | None = sqlite3.connect(":memory:", check_same_thread=False)
        if not has_fts5(self._connection):
            self._connection.close()
            self._connection = None
        rows = [(document.name, _columns(document)) for document in documents]
        if self._connection is None:
            self._words = {name: " ".join(words(" ".join(columns))) for name, columns in rows}
            return
        names = ", ".join(_COLUMNS)
        self._connection.execute(f"CREATE VIRTUAL TABLE text USING fts5({names}, tokenize = 'porter unicode61')")
        marks = ", ".join("?" * len(_COLUMNS))
        self._connection.executemany(f"INSERT INTO text VALUES ({marks})", [columns for _, columns in rows])  # noqa: S608

    def scores(self, text: str) -> dict[str, float]:
        """Name to score, higher is better; only documents that hold one of the words."""
        terms = list(dict.fromkeys(words(text)))
        if not terms:
            return {}
        if self._connection is None:
            return self._shares(terms)
        weights = ", ".join(map(str, _COLUMNS.values()))
        statement = f"SELECT name, -bm25(text, {weights}) FROM text WHERE text MATCH ?"  # noqa: S608 - our own numbers
        with self._lock:
            rows = self._connection.execute(statement, (" OR ".join(f'"{term}"' for term in terms),)).fetchall()
        return {name: round(score, _DECIMALS) for name, score in rows}

    def _shares(self, terms: Sequence[str]) -> dict[str, float]:
        """Without SQLite's full-text module: the share of the words that begin one of the document's."""
        found = {
            name: sum(any(word.startswith(term) for word in content.split()) for term in terms) / len(terms)
            for name, content in self._words.items()
        }
        return {name: round(share, _DECIMALS) for name, share in found.items() if share}


def rank(documents: Iterable[Document], query: KnowledgeQuery, text_scores: dict[str, float]) -> list[Found]:
    """The hits, best first, at most ``query.limit``; nothing for a question that asks for nothing."""
    hits: list[Found] = []
    for document in documents:
        if not (_admits(document.platforms, query.platform) and _admits(document.languages, query.language)):
            continue
        told = _facets(document, query)
        if document.name in text_scores:
            told.append((TEXT * text_scores[document.name], "text"))
        score = sum(value for value, _ in told)
        why = [reason for _, reason in told if reason]
        # Who asked for words is not answered by the chip alone.
        beside = query.text and document.name not in text_scores and not _answers(document, query)
        if score < 0 or not why or beside:
            continue
        hits.append(Found(document.name, document.title, document.summary, round(score, _DECIMALS), ", ".join(why)))
    hits.sort(key=lambda hit: (-hit.score, hit.name))
    return hits[: max(query.limit, 0)]


def _answers(document: Document, query: KnowledgeQuery) -> bool:
    """Whether it is about the bottleneck or the operator asked for."""
    return bool({*document.bottlenecks} & {*query.bottlenecks} or {*document.operators} & {*query.operators})


def _admits(given: Sequence[str], asked: str) -> bool:
    return not asked or asked in given or ANY in given


def _facets(document: Document, query: KnowledgeQuery) -> list[tuple[float, str]]:
    """What of the typed question this document answers: value and name."""
    told = [
        *_match(BOTTLENECK, document.bottlenecks, query.bottlenecks, "about {}"),
        *_match(OPERATOR, document.operators, query.operators, "{}"),
        *_match(LANGUAGE, document.languages, [query.language], "{}"),
        *_match(PLATFORM, document.platforms, [query.platform], "{}"),
    ]
    if query.phase in document.phases:
        told.append((PHASE, ""))
    if query.operators and not {ANY, *query.operators} & {*document.operators}:
        told.append((OTHER_OPERATORS, ""))
    return told


def _match(weight: float, given: Sequence[str], asked: Sequence[str], form: str) -> list[tuple[float, str]]:
    """The more of a document's words are asked for, the more it is about them."""
    shared = [word for word in asked if word and word in given]
    if shared:
        return [(weight * (0.5 + 0.5 * len(shared) / len(given)), form.format("/".join(shared)))]
    if ANY in given:
        return [(weight * MEANS_ALL, "")] if any(asked) else []
    return []


def _columns(document: Document) -> tuple[str, ...]:
    tags = (*document.platforms, *document.languages, *document.bottlenecks, *document.phases, *document.operators)
    return (
        document.name,
        document.title,
        document.summary,
        " ".join(document.keywords),
        " ".join(tags),
        document.body,
    )
