"""What a candidate's text alone says. Only what cannot run is refused; what looks odd is labelled, no more."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.parsing import parse

MAX_SOURCE_BYTES = 1 << 20

WORDS = {
    "screen.clock": "reads or replaces a clock",
    "screen.frames": "walks the interpreter's frames",
    "screen.heap": "walks the heap or remembers by address",
    "screen.patching": "replaces functions of other modules",
    "screen.threads": "starts threads",
    "screen.processes": "starts or ends processes",
    "screen.memory": "maps or protects memory, or reads its own",
    "screen.subclass": "subclasses tensors or overrides their operators",
    "screen.memo": "remembers results",
    "screen.network": "opens sockets",
    "screen.fallback": "catches every error and goes on",
}
"""Code to what it means. A label rejects nothing: honest kernels do some of these things."""

NAMES = {
    "screen.clock": "perf_counter perf_counter_ns monotonic monotonic_ns process_time elapsed_time",
    "screen.frames": "_getframe currentframe stack f_back f_locals settrace setprofile __code__ __globals__",
    "screen.heap": "get_objects get_referrers data_ptr _version WeakValueDictionary WeakKeyDictionary",
    "screen.patching": "setattr __setattr__ modules import_module reload",
    "screen.threads": "Thread ThreadPoolExecutor start_new_thread setitimer alarm",
    "screen.processes": "fork vfork posix_spawn Popen system _exit kill execv",
    "screen.memory": "mmap mprotect from_address memmove memset string_at",
    "screen.subclass": "as_subclass _make_subclass __torch_function__ __torch_dispatch__",
    "screen.memo": "lru_cache cache cached_property ContextVar",
    "screen.network": "socket urlopen create_connection",
}
"""Code to the Python names that stand for it."""

NATIVE = {
    "screen.clock": r"\b(clock_gettime|gettimeofday|rdtsc\w*|steady_clock|high_resolution_clock)\b",
    "screen.threads": r"\b(std::thread|std::async|pthread_create)\b",
    "screen.processes": r"\b(v?fork|clone|_?exit|exit_group|execve?|kill)\s*\(",
    "screen.memory": r"\b(mmap|mprotect|dlsym|ptrace|process_vm_\w+)\s*\(|/proc/",
    "screen.network": r"\bsocket\s*\(",
}
"""Code to what stands for it in text that a file carries for other compilers."""


@dataclass(frozen=True)
class Screening:
    """What was seen without running anything."""

    reason: str | None = None
    """``compile_error`` or ``no_model_new`` where running it would be pointless."""
    detail: str = ""
    labels: tuple[str, ...] = ()
    """What looks odd: code, meaning, and the name that was seen. Never a reason to reject."""


def screen(source: str) -> Screening:
    """Read a candidate's text."""
    if len(source.encode("utf-8", "replace")) > MAX_SOURCE_BYTES:
        return Screening("compile_error", f"the source is larger than {MAX_SOURCE_BYTES} bytes")
    try:
        tree = parse(source)
    except SyntaxError as error:
        return Screening("compile_error", f"line {error.lineno}: syntax error: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        return Screening("compile_error", f"the source cannot be parsed: {type(error).__name__}: {error}")
    if not _binds_model(tree):
        return Screening("no_model_new", "the file defines no class ModelNew")
    return Screening(labels=_labels(tree))


def shown_languages(source: str) -> tuple[str, ...]:
    """Languages that a candidate's text shows it to be written in; none for plain torch, or for what cannot be read."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            language = _IMPORTED.get(name.partition(".")[0])
            if language is not None:
                found[language] = None
        if isinstance(node, ast.keyword) and node.arg in _SOURCES:
            found[_SOURCES[node.arg]] = None
    # Sources in CUDA are declared in C++ beside them.
    return tuple(name for name in found if not (name == "cpp" and "cuda" in found))


_IMPORTED = {"triton": "triton", "cutlass": "cute"}
_SOURCES = {"cpp_sources": "cpp", "cuda_sources": "cuda"}
"""Argument of ``torch.utils.cpp_extension.load_inline`` to language."""


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
        for code, what in _seen_in(node):
            found[f"{code}: {WORDS[code]} ({what})"] = None
    return tuple(found)


def _seen_in(node: ast.AST) -> Iterator[tuple[str, str]]:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    if name in _CODES:
        yield _CODES[name], name
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        for code, pattern in NATIVE.items():
            match = re.search(pattern, node.value)
            if match:
                yield code, match.group().strip(" (")
    if isinstance(node, ast.ExceptHandler) and _catches_all(node.type):
        yield "screen.fallback", "except"


def _catches_all(kind: ast.expr | None) -> bool:
    return kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))


_CODES = {name: code for code, names in NAMES.items() for name in names.split()}
