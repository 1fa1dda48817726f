"""What a model is told of the knowledge base: short lines of its index, whole documents, and how to mend a call."""

from __future__ import annotations

from typing import get_args

from memory.errors import UnknownDocument
from memory.knowledge.base import Found, KnowledgeBase, KnowledgeQuery
from memory.knowledge.documents import Bottleneck
from tools.errors import ToolError
from tools.problem_text import one_line

HITS = 6
DOCUMENT_CHARS = 16_000
"""Of one answer: more than any document of ours has."""
BOTTLENECKS: tuple[str, ...] = get_args(Bottleneck)


class Unanswerable(ToolError):
    """The question cannot be answered as it was put; the message says how to mend it."""


def search_text(base: KnowledgeBase, query: KnowledgeQuery) -> str:
    """One line a document. Raises Unanswerable."""
    unknown = [name for name in query.bottlenecks if name not in BOTTLENECKS]
    if unknown:
        raise Unanswerable(
            f"bottleneck {one_line(unknown[0], 40)!r} is unknown: one of {', '.join(BOTTLENECKS)}, or none"
        )
    if not (query.text.strip() or query.bottlenecks or query.operators):
        raise Unanswerable("text is empty: give a few words, such as 'coalesced loads', or a bottleneck")
    found = base.find(query)
    if not found:
        return "nothing found: use fewer or more usual words, or a bottleneck"
    return "\n".join([*map(found_line, found), "read_knowledge shows one of them"])


def found_line(hit: Found) -> str:
    """One hit of the index as a line."""
    return f"- {hit.name}: {one_line(hit.title)}. {one_line(hit.summary)}"


def read_text(base: KnowledgeBase, name: str) -> str:
    """One document, cut at its end where it is too long. Raises Unanswerable."""
    try:
        document = base.read(name)
    except UnknownDocument as error:
        near = f"did you mean {' or '.join(error.similar)}? " if error.similar else ""
        raise Unanswerable(f"{one_line(str(error), 120)}: {near}search_knowledge finds names") from error
    text = document.body
    if len(text) <= DOCUMENT_CHARS:
        return text
    left = len(text) - DOCUMENT_CHARS
    return f"{text[:DOCUMENT_CHARS]}\n... {left} characters more: search_knowledge may name a shorter one"
