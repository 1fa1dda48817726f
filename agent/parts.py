"""The parts of a task's prompt that may be shortened, and the order in which that happens.

First knowledge (bodies, then summaries), then what memory recalled, then old attempts, then the diagnosis, then what
the person said longer ago, and the parent's source last: without it a candidate can be read with a tool, but hardly
improved.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from agent.composing import Part
from memory.errors import UnknownDocument
from memory.knowledge.base import KnowledgeBase
from memory.knowledge.documents import Document, body_for
from tools.artifacts import ArtifactStore
from tools.problem_text import fenced, one_line

if TYPE_CHECKING:
    from agent.proposing import Attempt, ProposalTask

WHOLE_DOCUMENTS = 2
"""The best hits are told in full, the others by their summaries."""
FEWER = (40, 20, 10, 5)
"""Attempts that are kept when they do not all fit; the newest and the fastest."""
FEWER_RECALLED = (3, 1)
SECOND = "## Second parent\nTake over into the parent what is better in this one."
HINTS = (
    "\n## Hints\nThe person who wants this kernel says, newest last. Follow it where the rules allow, and say in "
    "`submit` what came of it."
)
MAX_HINTS = 20
"""What was said longest ago is left out beyond so many."""
AS_TEXT = Callable[[tuple["Attempt", ...]], str]


def parts_of(
    task: ProposalTask, store: ArtifactStore, knowledge: KnowledgeBase | None, attempts_text: AS_TEXT, line: str
) -> list[Part]:
    """In the order in which they are shortened. ``line`` is the parent's own line, empty without one."""
    return [
        Part("knowledge", knowledge_versions(_documents(task.knowledge, knowledge), task.language)),
        Part("recalled", _fewer(task.recalled, FEWER_RECALLED, attempts_text, keep=best_first)),
        Part("attempts", _fewer((*task.visible, *task.repeats), FEWER, attempts_text, keep=newest_and_fastest)),
        Part("diagnosis", (task.diagnosis or "none", one_line(task.diagnosis, 200) or "none")),
        Part("hints", hint_versions(task.hints)),
        Part("parent", _parent_versions(task, store, attempts_text, line)),
    ]


def knowledge_versions(documents: Sequence[Document], language: str) -> tuple[str, ...]:
    """Bodies go from the least relevant on, then summaries, then all of it."""
    if not documents:
        return ("none",)
    most = min(WHOLE_DOCUMENTS, len(documents))
    bodies = [_knowledge_text(documents, whole, language) for whole in range(most, -1, -1)]
    lists = [_knowledge_text(documents[:count], 0, language) for count in range(len(documents) - 1, 0, -1)]
    return (*bodies, *lists, "none shown, for want of room: search_knowledge finds documents")


def hint_versions(hints: Sequence[str]) -> tuple[str, ...]:
    """A section of its own, empty where nobody said anything; the oldest go first, the newest is always told."""
    if not hints:
        return ("",)
    newest = [hints[-count:] for count in range(min(len(hints), MAX_HINTS), 0, -1)]
    return tuple("\n".join([HINTS, *(f"- {_hint(one)}" for one in kept), ""]) for kept in newest)


def _hint(text: str) -> str:
    return embedded(text.strip()).replace("\n", "\n  ")


def embedded(body: str) -> str:
    """A document as it may stand in a prompt: none of its lines could pass for a heading of ours."""
    lines, fence = [], ""
    for line in body.splitlines():
        opening = re.match(r"(```+|~~~+)", line)
        if opening and not fence:
            fence = opening.group(1)
        elif fence and line.strip() == fence:
            fence = ""
        if line.startswith("#") and not fence and re.match(r"#{1,6} ", line):
            line = f"###{line}"
        elif re.match(r"## \w", line):
            line = f" {line}"
        lines.append(line)
    return "\n".join([*lines, fence] if fence else lines)


def newest_and_fastest(attempts: tuple[Attempt, ...], count: int) -> tuple[Attempt, ...]:
    """Of a history, its newest four fifths of ``count`` and the fastest of the older ones, in order."""
    newest = count - count // 5
    older = range(max(0, len(attempts) - newest))
    fastest = sorted(older, key=lambda index: (-(attempts[index].speedup or 0.0), index))[: count - newest]
    return tuple(attempts[index] for index in sorted(fastest)) + attempts[older.stop :]


def best_first(attempts: tuple[Attempt, ...], count: int) -> tuple[Attempt, ...]:
    """What memory recalled comes best first."""
    return attempts[:count]


def _documents(names: Sequence[str], knowledge: KnowledgeBase | None) -> list[Document]:
    """Those that are still there: a run may be resumed without a folder it began with."""
    found = []
    for name in names if knowledge is not None else ():
        assert knowledge is not None
        try:
            found.append(knowledge.read(name))
        except UnknownDocument:
            continue
    return found


def _knowledge_text(documents: Sequence[Document], whole: int, language: str) -> str:
    lines = [f"- {document.name}: {document.title}. {document.summary}" for document in documents]
    bodies = [f"### {document.name}\n\n{embedded(body_for(document, language))}" for document in documents[:whole]]
    return "\n\n".join(["\n".join([*lines, "(read_knowledge shows a document in full)"]), *bodies])


def _fewer(
    attempts: tuple[Attempt, ...],
    counts: Sequence[int],
    attempts_text: AS_TEXT,
    keep: Callable[[tuple[Attempt, ...], int], tuple[Attempt, ...]],
) -> tuple[str, ...]:
    versions = [attempts_text(attempts)]
    for count in counts:
        if count < len(attempts):
            left = len(attempts) - count
            versions.append(f"{attempts_text(keep(attempts, count))}\n({left} more are not shown, for want of room)")
    return tuple(versions)


def _parent_versions(task: ProposalTask, store: ArtifactStore, attempts_text: AS_TEXT, line: str) -> tuple[str, ...]:
    """The parent in full, then the other parents of a crossover, whose sources go first."""
    parent = task.parent
    if parent is None:
        return ("none: start from the reference",)
    whole = f"{line}\n{fenced(store.text(parent.source_artifact))}"
    told = f"{line}\n(its source does not fit here: read_candidate {parent.candidate} shows it)"
    if not task.inspirations:
        return whole, told
    lines = [attempts_text((other,)) for other in task.inspirations]
    sources = [fenced(store.text(other.source_artifact)) for other in task.inspirations]
    named = "\n".join(f"{one}\n(read_candidate shows its source)" for one in lines)
    full = [f"{SECOND}\n{one}\n{source}" for one, source in zip(lines, sources, strict=True)]
    return "\n\n".join([whole, *full]), f"{whole}\n\n{SECOND}\n{named}", f"{told}\n\n{SECOND}\n{named}"
