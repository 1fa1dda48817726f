"""A definition's reference as Python text: what it defines, how ``run`` is called, which device it insists on."""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Final

from evals.formats.schema import FormatError

ENTRY: Final = "run"
_USED: Final = {"self", "torch", "answer", ENTRY}
"""Names that ``forward`` needs itself."""
_DEVICE: Final = re.compile(r"cuda(:\d+)?")
_HARMLESS: Final = {"is_available", "is_bf16_supported", "device_count"}
"""What a reference may ask ``torch.cuda`` without one."""


@dataclass(frozen=True)
class Reference:
    """What is known of the text without running it."""

    names: frozenset[str]
    """Bound at its top level."""
    parameters: tuple[str, ...]
    """Of ``run``."""
    is_plain: bool
    """Whether what ``run`` returns is a tuple wherever there are several outputs, and no container where there is one,
    as far as its text says."""
    device: str
    """The words that ask for a CUDA device, empty where there are none."""


def look_at(text: str, outputs: int) -> Reference:
    """Raises FormatError for text that is no Python, or defines no ``run``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its escapes; they are its owner's business
            tree = ast.parse(text)
    except SyntaxError as error:
        raise FormatError(f"reference: syntax error in line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise FormatError(f"reference: no Python: {error}") from error
    entry = [item for item in tree.body if isinstance(item, ast.FunctionDef) and item.name == ENTRY]
    if not entry:
        raise FormatError(f"reference: it defines no function {ENTRY}")
    return Reference(
        frozenset(_bound(tree.body)),
        _parameters(entry[-1]),
        _is_plain(entry[-1], outputs),
        next(_devices(tree), ""),
    )


def call(reference: Reference, inputs: Iterable[str], values: Iterable[str]) -> str:
    """The call of ``run`` with ``values``, which stand for ``inputs`` in order. Raises FormatError if there is none."""
    inputs, values = tuple(inputs), tuple(values)
    if len(reference.parameters) != len(inputs):
        told = ", ".join(reference.parameters)
        raise FormatError(f"reference: {ENTRY}({told}) does not take the {len(inputs)} inputs {', '.join(inputs)}")
    if reference.parameters != inputs and set(reference.parameters) == set(inputs):
        pairs = zip(inputs, values, strict=True)
        return f"{ENTRY}({', '.join(f'{name}={value}' for name, value in pairs)})"
    return f"{ENTRY}({', '.join(values)})"


def parameter_names(inputs: Iterable[str]) -> list[str]:
    """Names for ``forward``'s parameters: the inputs', where Python allows them."""
    fine = list(inputs)
    plain = all(name.isidentifier() and not keyword.iskeyword(name) and name not in _USED for name in fine)
    return fine if plain else [f"input_{number}" for number in range(len(fine))]


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """Names that top-level statements bind, those inside ``if`` and ``try`` too."""
    for item in body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield item.name
            continue
        for node in ast.walk(item):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.alias):
                yield node.asname or node.name.partition(".")[0]


def _parameters(function: ast.FunctionDef) -> tuple[str, ...]:
    given = function.args
    return tuple(item.arg for item in (*given.posonlyargs, *given.args, *given.kwonlyargs))


def _is_plain(function: ast.FunctionDef, outputs: int) -> bool:
    returned = [node.value for node in _own(function) if isinstance(node, ast.Return) and node.value is not None]
    if outputs > 1:
        return all(isinstance(value, ast.Tuple) for value in returned)
    held = {
        target.id
        for node in _own(function)
        if isinstance(node, ast.Assign) and _is_container(node.value, frozenset())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return not any(_is_container(value, held) for value in returned)


def _is_container(value: ast.expr, names: Set[str]) -> bool:
    """Whether an expression is, or may be, a tuple, list or dict; ``names``: of variables that are."""
    match value:
        case ast.Tuple() | ast.List() | ast.Dict() | ast.DictComp() | ast.ListComp():
            return True
        case ast.Name(id=name):
            return name in names
        case ast.IfExp(body=one, orelse=other):
            return _is_container(one, names) or _is_container(other, names)
        case ast.Call(func=ast.Name(id="dict" | "tuple" | "list")):
            return True
    return False


def _own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """What is in a function and in none that it defines."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


def _devices(tree: ast.Module) -> Iterator[str]:
    """Whatever works on a CUDA device only. Text that asks first whether there is one works on both."""
    compared = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Compare) for inner in ast.walk(node)}
    if any(isinstance(node, ast.Attribute) and node.attr == "is_available" for node in ast.walk(tree)):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in compared:
            if _DEVICE.fullmatch(node.value):
                yield repr(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda":
            yield ".cuda()"
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "torch.cuda" and node.attr not in _HARMLESS:
            yield f"torch.cuda.{node.attr}"
