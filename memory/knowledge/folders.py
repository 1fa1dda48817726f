"""The knowledge base of folders: the tree that comes with the program, and folders of the user's that override it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from memory.errors import KnowledgeError, UnknownDocument
from memory.knowledge.base import Found, KnowledgeQuery
from memory.knowledge.documents import MAX_DOCUMENT_BYTES, Document, is_name, parse_document
from memory.knowledge.ranking import TextIndex, rank

INDEX = "index"
"""The file that lists the others, in every folder: no document."""
MAX_DOCUMENTS = 5000
MAX_DEPTH = 8
SIMILAR = 3


class FolderKnowledge:
    """A ``KnowledgeBase`` over folders of Markdown files, read once; later folders override earlier ones by name."""

    def __init__(self, folders: Sequence[Traversable]) -> None:
        """Read everything. Raises KnowledgeError naming the first file and line that cannot be used."""
        found: dict[str, Document] = {}
        for folder in folders:
            for document in read_folder(folder):
                found[document.name] = document
        self._documents = dict(sorted(found.items()))
        self._index = TextIndex(self._documents.values())

    def find(self, query: KnowledgeQuery) -> list[Found]:
        """Best first, as ``memory.knowledge.ranking.rank`` has it."""
        return rank(self._documents.values(), query, self._index.scores(query.text))

    def read(self, name: str) -> Document:
        """One document, by its name, with or without the suffix. Raises UnknownDocument."""
        wanted = name.strip().removesuffix(".md").strip("/")
        if wanted in self._documents:
            return self._documents[wanted]
        ends = [known for known in self._documents if known.rsplit("/", 1)[-1] == wanted]
        if len(ends) == 1:
            return self._documents[ends[0]]
        close = difflib.get_close_matches(wanted, self._documents, n=SIMILAR, cutoff=0.4)
        raise UnknownDocument(wanted, tuple(ends or close)[:SIMILAR])

    def names(self) -> tuple[str, ...]:
        """Every document's name, sorted."""
        return tuple(self._documents)

    def documents(self) -> tuple[Document, ...]:
        """Every document, by name."""
        return tuple(self._documents.values())


def own_tree() -> Traversable:
    """The folder of documents that comes with the program."""
    return resources.files("memory.knowledge").joinpath("tree")


def open_knowledge(folders: Iterable[Path] = ()) -> FolderKnowledge:
    """Our tree, overridden by the user's folders in this order. Raises KnowledgeError."""
    for folder in folders:
        if not folder.is_dir():
            raise KnowledgeError(str(folder), None, "there is no such folder of documents")
    return FolderKnowledge([own_tree(), *folders])


def read_folder(folder: Traversable) -> Iterator[Document]:
    """Every Markdown file below a folder, but for its index, in order of names. Raises KnowledgeError."""
    for number, (name, file) in enumerate(_files(folder, "", 0)):
        if number >= MAX_DOCUMENTS:
            raise KnowledgeError(
                str(folder), None, f"there are more than {MAX_DOCUMENTS} documents: name a smaller folder"
            )
        if not is_name(name):
            raise KnowledgeError(
                f"{folder}/{name}.md", None, "give the file a name of letters, digits, dots and dashes"
            )
        yield parse_document(name, _text(file, f"{folder}/{name}.md"), f"{folder}/{name}.md")


def _files(folder: Traversable, prefix: str, depth: int) -> Iterator[tuple[str, Traversable]]:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise KnowledgeError(str(folder), None, f"cannot be read: {error.strerror}") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if depth + 1 < MAX_DEPTH:
                yield from _files(entry, f"{prefix}{entry.name}/", depth + 1)
        elif entry.name.endswith(".md"):
            name = prefix + entry.name.removesuffix(".md")
            if name != INDEX:
                yield name, entry


def _text(file: Traversable, where: str) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise KnowledgeError(where, None, f"cannot be read: {error.strerror}") from error
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise KnowledgeError(where, None, f"has {len(raw)} bytes, {MAX_DOCUMENT_BYTES} are allowed: split it")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise KnowledgeError(where, line, "is not UTF-8 text") from error
