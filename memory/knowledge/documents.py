"""A knowledge document: front matter in a fixed form, then plain Markdown. Reading one, and what may be wrong with it.

The front matter is lines of ``key: value`` between two lines of three dashes; lists are separated by commas::

    ---
    title: Scans
    summary: One line, for the index
    platforms: cpu, nvidia
    ...
    ---
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Literal, get_args

from memory.errors import KnowledgeError

Bottleneck = Literal["memory", "compute", "latency", "occupancy", "launch", "correctness", "compile"]
Phase = Literal["draft", "repair", "improve"]
"""Nothing is accepted yet; the last candidate was rejected; something is accepted and is to become faster."""

ANY = "any"
"""Stands for every platform, language or operator."""
MAX_LINE = 160
"""Of a title or summary: they are lines of an index."""
MAX_DOCUMENT_BYTES = 256 << 10
_TAG = re.compile(r"[a-z0-9][a-z0-9_.:+-]*")
_CLOSED = {"bottlenecks": frozenset(get_args(Bottleneck)), "phases": frozenset(get_args(Phase))}


@dataclass(frozen=True)
class Document:
    """One document; ``name`` is its path below its folder, without the suffix."""

    name: str
    title: str
    summary: str
    platforms: tuple[str, ...]
    languages: tuple[str, ...]
    bottlenecks: tuple[str, ...]
    phases: tuple[str, ...]
    operators: tuple[str, ...]
    keywords: tuple[str, ...]
    body: str
    first_line: int = 1
    """Where the body begins in its file."""


KEYS = tuple(item.name for item in fields(Document) if item.name not in ("name", "body", "first_line"))
"""Keys of the front matter, all of them needed."""
_TEXTS = ("title", "summary")
_BLOCK = re.compile(r"^```(?P<fence>\w*)\n(?P<code>.*?)^```\n?", re.MULTILINE | re.DOTALL)
_NAMES = {"cpp": "C++", "cuda": "CUDA C++", "triton": "Triton", "cute": "CuTe DSL", "python": "Python"}
_READABLE = {
    "cpp": {"cpp", "python"},
    "cuda": {"cuda", "cpp", "python"},
    "triton": {"triton", "python"},
    "cute": {"cute", "python"},
    "python": {"python"},
}
"""Language of a candidate to those of examples that help whoever writes it."""


def body_for(document: Document, language: str) -> str:
    """Its text as whoever writes ``language`` has use of it: of examples in other languages it is only said that they
    are there. All of it for a language that nothing is known of.
    """
    readable = _READABLE.get(language)
    if readable is None:
        return document.body

    def told(block: re.Match[str]) -> str:
        kind = _kind(block["fence"], block["code"])
        if kind in readable or not kind:
            return block[0]
        return f"(An example in {_NAMES[kind]}: read_knowledge shows it.)\n"

    return _BLOCK.sub(told, document.body)


def _kind(fence: str, code: str) -> str:
    """In what language an example is; empty where that is unknown."""
    if fence == "python":
        return "cute" if "cutlass" in code else "triton" if "triton" in code or "tl." in code else "python"
    return fence if fence in _NAMES else ""


def parse_document(name: str, text: str, where: str) -> Document:
    """Read a document's text; ``where`` is how errors call the file. Raises KnowledgeError naming file and line."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        raise KnowledgeError(where, 1, "a document begins with a line of three dashes, then its front matter")
    end = next((number for number, line in enumerate(lines[1:], 2) if line.strip() == "---"), None)
    if end is None:
        raise KnowledgeError(where, 1, "the front matter has no end: put a line of three dashes after it")
    given: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines[1 : end - 1], 2):
        key, colon, value = line.partition(":")
        key = key.strip()
        if not line.strip():
            continue
        if not colon or key not in KEYS:
            raise KnowledgeError(where, number, f"{key!r} is no key of a document: write one of {', '.join(KEYS)}")
        if key in given:
            raise KnowledgeError(where, number, f"{key} was given in line {given[key][0]} already")
        given[key] = (number, value.strip())
    missing = [key for key in KEYS if key not in given]
    if missing:
        raise KnowledgeError(where, end, f"the front matter lacks {', '.join(missing)}")
    body = "\n".join(lines[end:]).strip("\n")
    if not body.strip():
        raise KnowledgeError(where, end, "there is nothing after the front matter: write the document")
    values = {key: _value(key, number, value, where) for key, (number, value) in given.items()}
    begin = next(number for number, line in enumerate(lines[end:], end + 1) if line.strip())
    return Document(name=name, body=body, first_line=begin, **values)  # type: ignore[arg-type]


def is_name(name: str) -> bool:
    """Whether ``name`` can be a document's: a relative path of plain parts."""
    parts = PurePosixPath(name).parts
    return bool(parts) and "/".join(parts) == name and all(re.fullmatch(r"[\w.+-]+", part) for part in parts)


def _value(key: str, number: int, value: str, where: str) -> str | tuple[str, ...]:
    if key in _TEXTS:
        if not value or len(value) > MAX_LINE:
            raise KnowledgeError(where, number, f"{key} has {len(value)} characters: give 1 to {MAX_LINE}")
        return value
    words = tuple(word.strip() for word in value.split(",") if word.strip())
    if not words:
        raise KnowledgeError(where, number, f"{key} is empty: give words separated by commas")
    if key == "keywords":
        return words
    bad = next((word for word in words if not _TAG.fullmatch(word)), None)
    if bad is not None:
        raise KnowledgeError(where, number, f"{key}: {bad!r} is no plain lower-case word")
    unknown = [word for word in words if key in _CLOSED and word not in _CLOSED[key]]
    if unknown:
        known = ", ".join(sorted(_CLOSED[key]))
        raise KnowledgeError(where, number, f"{key}: {unknown[0]!r} is unknown; there are {known}")
    return words
