"""What tools answer and refuse: a source that cannot be one, an edit that fits nowhere, a log cut to what matters."""

from __future__ import annotations

import ast
import difflib

from tools.errors import ToolError
from tools.harness.yardstick import ErrorFacts
from tools.parsing import parse
from tools.pointing import pointed_text, trimmed
from tools.problem_text import one_line
from tools.verdict import CheckResult, CompileResult

MAX_SOURCE_BYTES = 256 << 10
LOG_LINES = 60
LOG_CHARS = 4_000
FULL_LOG_CHARS = 20_000
NEAR_LINES = 2_000
"""Of a file in which the line nearest to a search is looked for."""
NEAR = 0.75
MEND = "Mend it with edit_candidate, then call compile_candidate."


class ToolRefusal(ToolError):
    """The call cannot be done as it was made; the message says how to mend it."""


def check_source(source: str) -> None:
    """Cheap checks before anything is started. Raises ToolRefusal naming the line to mend."""
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        raise ToolRefusal("the file is not valid Unicode text: write it again without lone surrogates") from error
    if size > MAX_SOURCE_BYTES:
        raise ToolRefusal(f"the file has {size} bytes, {MAX_SOURCE_BYTES} are allowed: write a shorter one")
    try:
        tree = parse(source)
    except SyntaxError as error:
        line = one_line(error.text or "", 120)
        raise ToolRefusal(
            f"syntax error in line {error.lineno}: {error.msg}: {line!r}. The draft is unchanged; send the "
            "whole file again, plain Python without Markdown around it"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ToolRefusal(f"the file cannot be parsed ({one_line(str(error))}): write it again, simpler") from error
    if not any(isinstance(node, ast.ClassDef) and node.name == "ModelNew" for node in tree.body):
        raise ToolRefusal("the file defines no class ModelNew(nn.Module): the whole file is needed, not a part of it")


def replaced(text: str, search: str, replace: str) -> str:
    """``text`` with the one place changed where ``search`` occurs. Raises ToolRefusal that says where it is instead."""
    if not search:
        raise ToolRefusal("search is empty: copy the lines to be replaced from the file")
    found = text.count(search)
    if found == 0:
        raise ToolRefusal(
            "search was not found: it must equal the file's text to the last space; nothing was changed"
            f"{_nearest(text, search)}"
        )
    if found > 1:
        raise ToolRefusal(
            f"search was found {found} times (lines {_lines_of(text, search)}): add lines around it until it is "
            "unique; nothing was changed"
        )
    return text.replace(search, replace)


def _lines_of(text: str, search: str, most: int = 5) -> str:
    at = text.find(search)
    numbers: list[str] = []
    while at >= 0 and len(numbers) < most:
        numbers.append(str(text.count("\n", 0, at) + 1))
        at = text.find(search, at + len(search))
    return ", ".join(numbers) + (", ..." if at >= 0 else "")


def _nearest(text: str, search: str) -> str:
    """Where the file has nearly the first line that was searched for."""
    wanted = next((line for line in search.splitlines() if line.strip()), "").strip()
    lines = [line.strip() for line in text.splitlines()[:NEAR_LINES]]
    near = difflib.get_close_matches(wanted[:400], [line[:400] for line in lines], 1, NEAR) if wanted else []
    if not near:
        return ". read_candidate shows the file"
    number = next(number for number, line in enumerate(lines, 1) if line[:400] == near[0])
    return f". Line {number} comes nearest: {text.splitlines()[number - 1][:160]!r}"


def compile_failure(result: CompileResult, source: str) -> str:
    """Where a build failed, in the candidate's own lines, and the beginning of its log."""
    head = f"{result.reason or 'compile_error'} after {result.seconds:.1f} s"
    return "\n".join(part for part in (head, *_of_log(result.log, source), MEND) if part)


def check_failure(result: CheckResult, source: str) -> str:
    """How a test failed, and where."""
    parts = [f"not passed: {result.reason or 'wrong_output'}", one_line(result.detail, 500)]
    parts.append(errors_text(result.error, result.eager_error, result.bound))
    parts += _of_log(result.log, source) if result.log.strip() else []
    return "\n".join(part for part in (*parts, MEND) if part)


def _of_log(log: str, source: str) -> list[str]:
    return [pointed_text(log, source), numbered(trimmed(log))]


def errors_text(error: ErrorFacts | None, eager: ErrorFacts | None, bound: ErrorFacts | None = None) -> str:
    """Relative errors against the float64 oracle, worst element / norm."""
    rows = (("error", error), ("eager's", eager), ("allowed", bound))
    told = [f"{name} {facts.worst:.3g} / {facts.norm:.3g}" for name, facts in rows if facts is not None]
    return ", ".join(told) + " (worst / norm, relative to float64)" if told else ""


def numbered(log: str) -> str:
    """The log's beginning with line numbers, bounded; says how much is left out."""
    lines = log.rstrip().splitlines()
    shown: list[str] = []
    used = 0
    for number, line in enumerate(lines[:LOG_LINES], 1):
        text = f"{number:4d}| {line[:400]}"
        used += len(text) + 1
        if used > LOG_CHARS:
            break
        shown.append(text)
    left = len(lines) - len(shown)
    if left > 0:
        shown.append(f"... {left} more lines: read_log shows them")
    return "\n".join(shown) or "(no log)"


def bounded(text: str, limit: int) -> str:
    """Beginning and end of a long text: the middle of a log matters least."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


def page(text: str, line: int, what: str) -> str:
    """A long text from a line on; from its first line: its beginning and its end, whose middle matters least.

    Raises ToolRefusal for a line that it has not.
    """
    lines = text.splitlines()
    if not 1 <= line <= len(lines):
        raise ToolRefusal(f"line {line} is not there: the {what} has lines 1 to {len(lines)}")
    if line == 1 and len(text) <= FULL_LOG_CHARS:
        return text
    if line == 1:
        head, tail = _upto(lines, FULL_LOG_CHARS // 2), _upto(lines[::-1], FULL_LOG_CHARS // 2)[::-1]
        left = len(lines) - len(head) - len(tail)
        cut = f"... {left} of {len(lines)} lines left out: line={len(head) + 1} goes on here ..."
        return "\n".join([*head, cut, *tail]) if left > 0 else text[:FULL_LOG_CHARS]
    shown = _upto(lines[line - 1 :], FULL_LOG_CHARS)
    after = line + len(shown)
    more = [f"... lines {after} to {len(lines)} follow: line={after}"] if after <= len(lines) else []
    return "\n".join([*shown, *more])


def _upto(lines: list[str], limit: int) -> list[str]:
    """The first lines, as many as fit; one at least, cut where it is longer than all that fits."""
    shown: list[str] = []
    left = limit
    for line in lines:
        if len(line) + 1 > left:
            return shown or [f"{line[: limit - 1]}…"]
        shown.append(line)
        left -= len(line) + 1
    return shown
