"""Ranking, pure: which experiences matter for a query, and why. No files, no SQL; both stores call it.

Scores, before the discounts:

* 1.0          the same operator at the same shapes;
* 0.8 to 0.95  the same operator at other shapes, more the closer the shapes;
* up to 0.75   a similar sequence of operators (nothing below ``SIMILARITY_THRESHOLD``).

A rejected candidate counts half (it teaches what not to do, and must not crowd out what works); other
hardware costs a twentieth.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from memory.experience import Experience
from memory.store import Query

SAME_SHAPES = "same operator, same shapes"
OTHER_SHAPES = "same operator, other shapes"
SIMILAR = "similar operator"
TEXT = "text"

SIMILARITY_THRESHOLD = 0.5
"""Operator sequences less alike than this are not recalled at all."""

Shapes = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Features:
    """The part of an experience that ranking looks at: small, so that thousands can be ranked at once."""

    id: str
    operator_signature: str
    shape_signature: str
    operators: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    target: str
    language: str
    precision: str
    hardware: str
    accepted: bool
    confirmed: bool
    speedup: float
    """0 where there is none."""
    source_hash: str


@dataclass(frozen=True)
class Ranked:
    """One hit, by id."""

    id: str
    score: float
    why: str


def features_of(experience: Experience) -> Features:
    """What ranking needs to know of an experience."""
    return Features(
        id=experience.id,
        operator_signature=experience.operator_signature,
        shape_signature=experience.shape_signature,
        operators=experience.operators,
        shapes=experience.shapes,
        target=experience.target,
        language=experience.language,
        precision=experience.precision,
        hardware=experience.hardware,
        accepted=experience.status == "accepted",
        confirmed=experience.confirmed,
        speedup=experience.speedup or 0.0,
        source_hash=hashlib.sha256(experience.source.encode()).hexdigest()[:16],
    )


def rank(features: Iterable[Features], query: Query) -> list[Ranked]:
    """Best first, one hit a source, at most ``query.limit``; ties by confirmed, speed-up, then id."""
    scored: list[tuple[Features, Ranked]] = []
    for item in features:
        if (item.target, item.language, item.precision) != (query.target, query.language, query.precision):
            continue
        hit = score(item, query)
        if hit is not None:
            scored.append((item, hit))
    scored.sort(key=lambda pair: _order(pair[1].score, pair[0]))
    best: dict[str, Ranked] = {}
    for item, hit in scored:
        best.setdefault(item.source_hash, hit)
    return list(best.values())[: max(query.limit, 0)]


def score(item: Features, query: Query) -> Ranked | None:
    """How much one experience matters, or None where it does not."""
    if item.operator_signature == query.operator_signature:
        same = item.shape_signature == query.shape_signature
        value = 1.0 if same else 0.8 + 0.15 * shape_closeness(item.shapes, query.shapes)
        why = SAME_SHAPES if same else OTHER_SHAPES
    else:
        alike = similarity(item.operators, query.operators)
        if alike < SIMILARITY_THRESHOLD:
            return None
        value, why = 0.75 * alike, SIMILAR
    if not item.accepted:
        value *= 0.5
    if query.hardware and item.hardware != query.hardware:
        value *= 0.95
    return Ranked(item.id, round(value, 6), why)


def shape_closeness(left: Shapes, right: Shapes) -> float:
    """0 to 1: one minus the mean distance of the extents in powers of two, four octaves being far.

    0 where the number of tensors or of dimensions differs, or shapes are unknown.
    """
    if not left or [len(shape) for shape in left] != [len(shape) for shape in right]:
        return 0.0
    distances = [
        abs(math.log2(max(a, 1) / max(b, 1)))
        for one, other in zip(left, right, strict=True)
        for a, b in zip(one, other, strict=True)
    ]
    if not distances:
        return 1.0
    return max(0.0, 1.0 - sum(distances) / len(distances) / 4.0)


def similarity(left: Sequence[str], right: Sequence[str]) -> float:
    """0 to 1: mean of the longest common subsequence (order) and shared neighbouring pairs (fusions)."""
    if not left or not right:
        return 0.0
    order = longest_common_subsequence(left, right) / max(len(left), len(right))
    pairs, others = _bigrams(left), _bigrams(right)
    return (order + len(pairs & others) / len(pairs | others)) / 2


def longest_common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest sequence that both contain in order, gaps allowed."""
    row = [0] * (len(right) + 1)
    for item in left:
        diagonal = 0
        for index, other in enumerate(right, start=1):
            above = row[index]
            row[index] = diagonal + 1 if item == other else max(above, row[index - 1])
            diagonal = above
    return row[-1]


def words(text: str) -> list[str]:
    """Lower-case words; everything that is no letter or digit separates them."""
    return re.findall(r"[^\W_]+", text.lower())


def document(experience: Experience) -> str:
    """The text that full-text search looks at, as words."""
    parts = (experience.problem, *experience.operators, experience.strategy, experience.lesson)
    return " ".join(words(" ".join(parts)))


def rank_text(documents: Iterable[tuple[Features, str]], text: str, limit: int) -> list[Ranked]:
    """Hits by the share of ``text``'s words that begin a word of the document; none without any."""
    terms = words(text)
    hits: list[tuple[Features, float]] = []
    for item, content in documents:
        present = content.split()
        found = sum(any(word.startswith(term) for word in present) for term in terms)
        if found:
            hits.append((item, found / len(terms)))
    hits.sort(key=lambda pair: _order(pair[1], pair[0]))
    return [Ranked(item.id, round(share, 6), TEXT) for item, share in hits[: max(limit, 0)]]


def _bigrams(operators: Sequence[str]) -> set[tuple[str, str]]:
    """Neighbouring pairs, the two ends included, so that a single operator has some too."""
    padded = ["", *operators, ""]
    return set(pairwise(padded))


def _order(value: float, item: Features) -> tuple[float, bool, float, str]:
    return (-value, not item.confirmed, -item.speedup, item.id)
