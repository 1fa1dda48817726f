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
_SCOPES = (*_FUNCTIONS, ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_LOOKED_UP = frozenset({"locals", "globals", "vars", "eval", "exec", "dir"})
"""Calls by which a function may learn the names of its own variables."""


def likeness(candidate: Candidate) -> str | None:
    """32 hexadecimal digits that two candidates share if they differ only in how they are written down.

    That is, in comments, docstrings, layout, and names of variables of functions that hold no other function;
    in C++ and CUDA texts, in comments and layout. None for what is not Python, which is like nothing.
    """
    try:
        tree = _Plain().visit(parse(candidate.source))
        text = ast.dump(tree)
    except _UNREADABLE:
        return None
    return hashlib.sha256(f"{candidate.language}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


class _Plain(ast.NodeTransformer):
    """Takes out of a tree what does not matter."""

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        _rename(node)
        return self._without_docstring(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        _rename(node)
        return self._without_docstring(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str) and "\n" in node.value and _C_MARKS.search(node.value):
            return ast.Constant(plain_c(node.value))
        return node

    def _without_docstring(self, node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        return self.generic_visit(node)


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


def _rename(function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Number the variables of a function in the order of their appearance, where that is safe.

    Not where another scope lies within, which would need Python's own rules of scoping; not for arguments,
    which callers may name.
    """
    inside = [node for statement in function.body for node in ast.walk(statement)]
    if any(isinstance(node, (*_SCOPES, ast.Global, ast.Nonlocal)) for node in inside):
        return
    names = [node for statement in function.body for node in _in_order(statement) if isinstance(node, ast.Name)]
    if any(name.id in _LOOKED_UP for name in names):
        return
    fixed = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
    for node in inside:
        fixed.update(_bound_as_text(node))
    own: dict[str, str] = {}
    for name in names:
        if isinstance(name.ctx, ast.Store) and name.id not in fixed:
            own.setdefault(name.id, f"\0{len(own)}")
    for name in names:
        name.id = own.get(name.id, name.id)


def _bound_as_text(node: ast.AST) -> Iterator[str]:
    """Names that a node binds without a Name of their own."""
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).split(".")[0]


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    """A tree from left to right."""
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _in_order(child)
