"""Reading Python source as a tree, in a process that has threads."""

from __future__ import annotations

import ast
import threading
import warnings

_ONE_AT_A_TIME = threading.Lock()


def parse(source: str) -> ast.Module:
    """As ``ast.parse``, from any thread and without warnings. Raises what that raises for what is not Python.

    CPython 3.11 counts the depth of the tree it builds in one place for all threads, and hands over to another thread
    whenever it collects garbage on the way: two that build trees at a time end with ``SystemError: AST constructor
    recursion depth mismatch``. The filters of warnings are global to the process as well.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)
