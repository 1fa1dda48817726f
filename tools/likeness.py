"""Which candidates are the same program: a fingerprint of the source that survives another way of writing it.

Computed by the controller from the text alone, so no candidate can make it up. Candidates of one likeness are
judged once, and only the one that was judged can be crowned, exported or remembered. So a program that reads
its own comments and behaves accordingly gains nothing by looking like another: it is merely not judged. What a
build leaves behind (a library, a cubin) is no part of the fingerprint: the Python around it, which decides what
is launched and how often, may differ.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator

from tools.candidate import Candidate
from tools.parsing import parse

_UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
_C_MARKS = re.compile(r'#\s*include\b|__global__|extern\s*"C"|\b(?:void|float|int)\s+\w+\s*\(')
_C_TOKENS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"\w{0,16}\(.*?\)\w{0,16}"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DOCUMENTED = (ast.Module, ast.ClassDef, *_FUNCTIONS)
_SCOPES = (
    *(*_FUNCTIONS, ast.Lambda, ast.ClassDef, ast.Global, ast.Nonlocal),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
_LOOKED_UP = frozenset({"locals", "globals", "vars", "eval", "exec", "dir"})
"""Calls by which a function may learn the names of its own variables."""


def likeness(candidate: Candidate) -> str | None:
    """32 hexadecimal digits that two candidates share if they differ only in how they are written down.

    That is, in comments, docstrings, layout, and names of variables of functions that hold no other function;
    in C++ and CUDA texts, in comments and layout. None for what is not Python, which is like nothing.
    """
    parts: list[str] = [candidate.language]
    try:
        _write(parse(candidate.source), parts, {})
    except _UNREADABLE:
        return None
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _write(value: object, parts: list[str], names: dict[str, str]) -> None:
    """Put a tree down as text, in a way that two trees share only if they are the same; ``names`` are replaced."""
    if isinstance(value, ast.AST):
        if isinstance(value, ast.Name) and value.id in names:
            parts.append(names[value.id])
            return
        if isinstance(value, _FUNCTIONS):
            names = _renamed(value)
        documented = isinstance(value, _DOCUMENTED) and ast.get_docstring(value, clean=False) is not None
        parts.append(f"({type(value).__name__}")
        for field in value._fields:
            inner = getattr(value, field, None)
            if inner is None or inner == []:
                continue
            parts.append(field)
            _write(inner[1:] if documented and field == "body" else inner, parts, names)
        parts.append(")")
    elif isinstance(value, list):
        parts.append("[")
        for one in value:
            _write(one, parts, names)
        parts.append("]")
    elif isinstance(value, str) and "\n" in value and _C_MARKS.search(value):
        parts.append(repr(plain_c(value)))
    else:
        parts.append(repr(value))


def plain_c(text: str) -> str:
    """A C++ or CUDA text without comments and in one layout; lines of the preprocessor stay lines."""
    kept: list[str] = []

    def shelve(found: re.Match[str]) -> str:
        if found.group().startswith("/"):
            return " "
        kept.append(found.group())
        return f"\0{len(kept) - 1}\0"

    bare = _C_TOKENS.sub(shelve, text.replace("\0", "").replace("\\\n", " "))
    lines: list[str] = []
    for line in bare.split("\n"):
        squeezed = " ".join(line.split())
        if not squeezed:
            continue
        directive = squeezed.startswith("#")
        if lines and not directive and not lines[-1].startswith("#"):
            lines[-1] += " " + squeezed
        else:
            lines.append(squeezed)
    # Blanks matter only between two words: there is one there whatever the layout.
    joined = "\n".join(re.sub(r" ?([(){}\[\];,]) ?", r"\1", line) if line[0] != "#" else line for line in lines)
    return re.sub("\0(\\d+)\0", lambda found: kept[int(found.group(1))], joined)


def _renamed(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, str]:
    """The variables of a function, numbered in the order of their appearance, where that is safe.

    Not where another scope lies within, which would need Python's own rules of scoping; not for arguments,
    which callers may name.
    """
    fixed = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    own: dict[str, str] = {}
    for node in _in_order(function.body):
        if isinstance(node, _SCOPES):
            return {}
        if isinstance(node, ast.Name):
            if node.id in _LOOKED_UP:
                return {}
            if isinstance(node.ctx, ast.Store):
                own.setdefault(node.id, f"\0{len(own)}")
        else:
            fixed.update(_bound_as_text(node))
    return {name: number for name, number in own.items() if name not in fixed}


def _bound_as_text(node: ast.AST) -> Iterator[str]:
    """Names that a node binds without a Name of their own."""
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).split(".")[0]


def _in_order(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The nodes of a function from left to right."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(list(ast.iter_child_nodes(node))))
