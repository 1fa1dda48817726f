"""Which lines of a candidate's file a log speaks of, and a log without what is nobody's business. Pure.

A compiler counts the lines of the text it was given: a C++ string within the candidate, or one function of it. What it
quotes is looked for in the file, so that the answer names a line that can be edited.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tools.parsing import parse
from tools.problem_text import one_line

MOST = 3
_FRAME = re.compile(r'^\s*File "[^"\n]*candidate\.py", line (\d{1,7})')
_ANY_FRAME = re.compile(r'^  File "')
_BEGIN = "Traceback (most recent call last):"
_ERROR = re.compile(
    r"^\S*\.(?:cpp|cc|cu|c|h|hpp|cuh)(?::(\d{1,7})(?::\d+)?:|\((\d{1,7})\)\s*:)\s*(?:fatal )?error\b:?(.*)$"
)
_QUOTED = re.compile(r"^\s*\d+ \|(.*)$")
_TRITON = re.compile(r"^(?:.*\bat )(\d{1,7}):\d+:\s*$")
_CARET = re.compile(r"^\s*\^\s*$")
_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True)
class Pointed:
    """One line of the candidate that a log complains about."""

    line: int
    text: str
    complaint: str = ""


def pointed(log: str, source: str) -> list[Pointed]:
    """The first few of them, in the log's order. Nothing where it cannot be told."""
    lines, rows = source.splitlines(), log.splitlines()
    found: list[Pointed] = []
    for number, complaint in _places(rows, lines, source):
        known = any(one.line == number for one in found)
        if 1 <= number <= len(lines) and not known:
            found.append(Pointed(number, lines[number - 1].strip(), complaint.strip()))
        if len(found) == MOST:
            break
    return found


def pointed_text(log: str, source: str) -> str:
    """One line a place: its number in the file, its text, the complaint."""
    return "\n".join(
        f"line {one.line} of the candidate: {one_line(one.text, 160)}"
        + (f"   <- {one_line(one.complaint, 200)}" if one.complaint else "")
        for one in pointed(log, source)
    )


def trimmed(log: str) -> str:
    """Of every traceback that goes through the candidate, its own frames, the innermost frame and the error."""
    rows, kept, at = log.splitlines(), [], 0
    while at < len(rows):
        kept.append(rows[at])
        at += 1
        if rows[at - 1].strip() != _BEGIN:
            continue
        end = at
        while end < len(rows) and rows[end].startswith("  "):
            end += 1
        kept += _own_frames(rows[at:end])
        at = end
    return "\n".join(kept)


def _own_frames(rows: Sequence[str]) -> list[str]:
    frames: list[list[str]] = []
    for row in rows:
        if _ANY_FRAME.match(row) or not frames:
            frames.append([])
        frames[-1].append(row)
    own = [index for index, frame in enumerate(frames) if _FRAME.match(frame[0])]
    if not own:
        return list(rows)
    chosen = sorted({*own[-4:], len(frames) - 1})
    left = len(frames) - len(chosen)
    note = [f"  ({left} frames of others left out)"] if left else []
    return [*note, *(row for index in chosen for row in frames[index])]


def _places(rows: Sequence[str], lines: Sequence[str], source: str) -> Iterator[tuple[int, str]]:
    frame = 0
    for at, row in enumerate(rows):
        if row.strip() == _BEGIN:
            frame = 0
        elif match := _FRAME.match(row):
            frame = int(match[1])
        elif frame and row and not row.startswith(" "):
            yield frame, row  # the error's own line follows the last frame
            frame = 0
        if match := _ERROR.match(row):
            quoted = _QUOTED.match(rows[at + 1]) if at + 1 < len(rows) else None
            text = quoted[1] if quoted else ""
            number = _within(text, int(match[1] or match[2]), lines, source)
            if number:
                yield number, match[3]
        elif _TRITON.match(row) and (found := _of_function(rows[at + 1 :], lines)):
            yield found
    if frame:
        yield frame, ""


def _within(quoted: str, number: int, lines: Sequence[str], source: str) -> int | None:
    """The file's line of line ``number`` of a text that the file holds."""
    begun = [start + number - 1 for start, length in _texts(source) if number <= length]
    if not quoted.strip():
        return begun[0] if len(begun) == 1 else None
    exact = [at for at in begun if at <= len(lines) and lines[at - 1].strip() == quoted.strip()]
    same = exact or [at for at, line in enumerate(lines, 1) if line.strip() == quoted.strip()]
    return same[0] if len(same) == 1 else None


def _texts(source: str) -> list[tuple[int, int]]:
    """Strings of several lines: where each begins in the file, and how many lines it has."""
    try:
        nodes = list(ast.walk(parse(source)))
    except _UNREADABLE:
        return []
    return [
        (node.lineno, node.value.count("\n") + 1)
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" in node.value
    ]


def _of_function(rows: Sequence[str], lines: Sequence[str]) -> tuple[int, str] | None:
    """Triton quotes its function up to the line at fault, then a caret, then says what is wrong."""
    caret = next((at for at, row in enumerate(rows) if _CARET.match(row)), None)
    if not caret:
        return None
    stripped = [line.strip() for line in lines]
    for count in range(1, caret + 1):
        wanted = [row.strip() for row in rows[caret - count : caret]]
        ends = [at for at in range(count, len(lines) + 1) if stripped[at - count : at] == wanted]
        if len(ends) == 1:
            return ends[0], next((row for row in rows[caret + 1 :] if row.strip()), "")
        if not ends:
            return None
    return None
