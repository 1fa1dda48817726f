"""Reading Python source as a tree, in a process that has threads."""

from __future__ import annotations

import ast
import threading

_ONE_AT_A_TIME = threading.Lock()


def parse(source: str) -> ast.Module:
    """As ``ast.parse``, from any thread. Raises what that raises for source that is not Python.

    CPython 3.11 counts the depth of the tree it builds in one place for all threads, and hands over to another thread
    whenever it collects garbage on the way: two that build trees at a time end with ``SystemError: AST constructor
    recursion depth mismatch``.
    """
    with _ONE_AT_A_TIME:
        return ast.parse(source)
