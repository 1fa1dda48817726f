"""What a candidate's text alone says. Only what cannot run is refused; what looks odd is labelled, no more."""

from __future__ import annotations

import ast
from dataclasses import dataclass

MAX_SOURCE_BYTES = 1 << 20

SUSPICIOUS = {
    "perf_counter": "reads a clock",
    "perf_counter_ns": "reads a clock",
    "monotonic": "reads a clock",
    "_getframe": "walks the interpreter's frames",
    "currentframe": "walks the interpreter's frames",
    "stack": "walks the interpreter's frames",
    "get_objects": "walks the heap",
    "get_referrers": "walks the heap",
    "setattr": "sets attributes by name",
    "data_ptr": "looks at addresses",
    "Thread": "starts threads",
    "fork": "starts processes",
    "_exit": "ends its process",
    "as_subclass": "subclasses tensors",
    "_make_subclass": "subclasses tensors",
    "synchronize": "touches synchronisation",
    "lru_cache": "remembers results",
}
"""Names to labels. Honest kernels use some of them; a label rejects nothing."""


@dataclass(frozen=True)
class Screening:
    """What was seen without running anything."""

    reason: str | None = None
    """``compile_error`` or ``no_model_new`` where running it would be pointless."""
    detail: str = ""
    labels: tuple[str, ...] = ()


def screen(source: str) -> Screening:
    """Read a candidate's text."""
    if len(source.encode("utf-8", "replace")) > MAX_SOURCE_BYTES:
        return Screening("compile_error", f"the source is larger than {MAX_SOURCE_BYTES} bytes")
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return Screening("compile_error", f"line {error.lineno}: syntax error: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        return Screening("compile_error", f"the source cannot be parsed: {type(error).__name__}: {error}")
    if not _binds_model(tree):
        return Screening("no_model_new", "the file defines no class ModelNew")
    return Screening(labels=_labels(tree))


def _binds_model(tree: ast.Module) -> bool:
    """Whether the name ModelNew is bound anywhere: by class, assignment or import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == "ModelNew":
            return True
        if isinstance(node, ast.Name) and node.id == "ModelNew" and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.alias) and (node.asname or node.name) in ("ModelNew", "*"):
            return True
    return False


def _labels(tree: ast.Module) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in SUSPICIOUS:
            found[f"{SUSPICIOUS[name]} ({name})"] = None
    return tuple(found)
