"""Pasted code, understood without running it: what is the operator, which arguments has it, what has to be asked.

Pure, by way of ``ast``. The code is the user's own and runs in a sandbox only, like every problem file.
"""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

Form = Literal["problem", "module", "function"]

KNOWN_IMPORTS = {
    "torch": "import torch",
    "nn": "from torch import nn",
    "F": "import torch.nn.functional as F",
    "math": "import math",
    "np": "import numpy as np",
    "Tensor": "from torch import Tensor",
}
"""What people leave out when they paste."""
_PLAIN = {"float", "int", "bool", "str", "tuple", "list", "dict", "Optional", "Sequence"}
"""Annotations of arguments that are no tensors."""
_FENCE = re.compile(r"^```[\w]*\n(.*?)^```", re.M | re.S)


class Unreadable(Exception):
    """It is no operator; one line says why."""


@dataclass(frozen=True)
class Operator:
    """What is to be made fast."""

    form: Form
    name: str
    """Of the function or class."""
    source: str
    """The code that defines it, imports included."""
    tensors: tuple[str, ...] = ()
    """Arguments whose shapes have to be known."""
    scalars: tuple[str, ...] = ()
    """Other arguments without a default."""
    settings: tuple[str, ...] = ()
    """Of a class, what its constructor wants to be given."""
    derived: dict[str, str] | None = None
    """Of an operator given in words: tensors whose shapes follow from another's (``agent.chat.words``)."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Inverse of ``to_json``, lists for tuples."""
        lists = {name: tuple(data[name]) for name in ("tensors", "scalars", "settings")}
        return cls(**{**data, **lists})


def read_operator(text: str) -> Operator:
    """Understand pasted code. Raises Unreadable for what is no code, or has no operator in it."""
    source = bare(text)
    tree = parse(source)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    classes = _modules(tree)
    if "Model" in {node.name for node in tree.body if isinstance(node, ast.ClassDef)} and "get_inputs" in functions:
        return Operator("problem", "Model", source)
    if classes:
        return _of_class(_outermost(classes, tree), tree, source)
    own = {name: node for name, node in functions.items() if name not in ("get_inputs", "get_init_inputs")}
    if own:
        return _of_function(_outermost(list(own.values()), tree), tree, source)
    return _of_snippet(tree)


def bare(text: str) -> str:
    """The code alone: without a Markdown fence around it, prompts before it, or indentation."""
    fenced = _FENCE.findall(text if text.endswith("\n") else text + "\n")
    code = "\n\n".join(fenced) if fenced else text
    lines = code.splitlines()
    if any(line.startswith(">>> ") for line in lines):
        code = "\n".join(line[4:] for line in lines if line.startswith((">>> ", "... ")))
    return textwrap.dedent(code.replace("\r\n", "\n").replace("\t", "    ")).strip() + "\n"


def parse(source: str) -> ast.Module:
    """Raises Unreadable for what is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as error:
        raise Unreadable(f"line {error.lineno}: {error.msg}") from error
    except (ValueError, MemoryError, RecursionError) as error:
        raise Unreadable(str(error) or "it is nested too deeply") from error


def _modules(tree: ast.Module) -> list[ast.ClassDef]:
    """Classes that derive from nn.Module, directly or by way of one of these."""
    found: dict[str, ast.ClassDef] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base).split(".")[-1] for base in node.bases}
            if bases & {"Module", *found}:
                found[node.name] = node
    return list(found.values())


def _outermost(nodes: Sequence[Any], tree: ast.Module) -> Any:
    """``Model`` where there is one, else the last one that no other uses."""
    named = [node for node in nodes if node.name == "Model"]
    if named:
        return named[0]
    used = {
        inner.id
        for statement in tree.body
        if isinstance(statement, ast.FunctionDef | ast.ClassDef)
        for inner in ast.walk(statement)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load) and inner.id != statement.name
    }
    free = [node for node in nodes if node.name not in used]
    return (free or list(nodes))[-1]


def _of_class(node: ast.ClassDef, tree: ast.Module, source: str) -> Operator:
    methods = {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
    forward = methods.get("forward")
    if forward is None:
        raise Unreadable(f"class {node.name} has no forward()")
    tensors, scalars = _required(forward, skip_first=True)
    init = methods.get("__init__")
    wanted = () if init is None else tuple(name for group in _required(init, skip_first=True) for name in group)
    return Operator("module", node.name, _kept(tree, source), tensors, scalars, wanted)


def _of_function(node: ast.FunctionDef, tree: ast.Module, source: str) -> Operator:
    tensors, scalars = _required(node, skip_first=False)
    if not tensors:
        raise Unreadable(f"{node.name}() takes no tensor")
    return Operator("function", node.name, _kept(tree, source), tensors, scalars)


def _required(node: ast.FunctionDef, *, skip_first: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Arguments without a default: tensors, and others as their annotations say."""
    positional = [*node.args.posonlyargs, *node.args.args][1 if skip_first else 0 :]
    count = len(positional) - min(len(node.args.defaults), len(positional))
    keywords = [
        one for one, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if default is None
    ]
    needed = [*positional[:count], *keywords]
    plain = {one.arg for one in needed if one.annotation is not None and _is_plain(one.annotation)}
    return (
        tuple(one.arg for one in needed if one.arg not in plain),
        tuple(one.arg for one in needed if one.arg in plain),
    )


def _is_plain(annotation: ast.expr) -> bool:
    return ast.unparse(annotation).strip("'\"").split("[")[0].split(".")[-1].split(" ")[0] in _PLAIN


def _of_snippet(tree: ast.Module) -> Operator:
    """Statements without a function around them: what they read is the input, the last value the output."""
    body = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    if not any(isinstance(inner, ast.Call | ast.BinOp) for node in body for inner in ast.walk(node)):
        raise Unreadable("there is no function, no class and no expression in it")
    last = body[-1]
    if isinstance(last, ast.Expr):
        body[-1] = ast.Return(last.value)
    elif isinstance(last, ast.Assign | ast.AugAssign | ast.AnnAssign):
        target = last.targets[-1] if isinstance(last, ast.Assign) else last.target
        body.append(ast.Return(ast.parse(ast.unparse(target), mode="eval").body))
    elif not isinstance(last, ast.Return):
        raise Unreadable("its last line is no value")
    known = KNOWN_IMPORTS.keys() | _imported(tree)
    inputs = tuple(name for name in dict.fromkeys(_free(body)) if name not in known)
    if not inputs:
        raise Unreadable("it reads no input")
    lines = "\n".join(f"    {line}" for node in body for line in ast.unparse(node).splitlines())
    code = f"def operator({', '.join(inputs)}):\n{lines}\n"
    imports = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    source = "\n".join([*imports, "\n" if imports else "", code]).strip() + "\n"
    return Operator("function", "operator", _with_imports(source, ast.parse(source)), inputs)


def _free(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Names that are read before they are written, in order."""
    bound = set(dir(builtins))
    for statement in body:
        reads = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
        inner = {node.id for node in reads if isinstance(node.ctx, ast.Store)}
        again = isinstance(statement, ast.AugAssign)
        local = _inside(statement) if isinstance(statement, ast.Assign) or again else inner | _inside(statement)
        for node in sorted(reads, key=lambda one: (one.lineno, one.col_offset)):
            reading = isinstance(node.ctx, ast.Load) or (again and node.id not in bound)
            if reading and node.id not in bound | local:
                yield node.id
        bound |= inner


def _inside(statement: ast.stmt) -> set[str]:
    """Names of comprehensions and lambdas, which are nobody else's."""
    targets = [one.target for one in ast.walk(statement) if isinstance(one, ast.comprehension)]
    names = {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return names | {node.arg for node in ast.walk(statement) if isinstance(node, ast.arg)}


def _imported(tree: ast.Module) -> set[str]:
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {(one.asname or one.name).split(".")[0] for node in imports for one in node.names}


def _kept(tree: ast.Module, source: str) -> str:
    """Definitions, constants and imports as they were written; what a file does when it runs is not the operator's."""
    lines, kept = source.splitlines(), []
    for node in tree.body:
        if isinstance(node, ast.Expr | ast.If | ast.For | ast.While | ast.With | ast.Assert):
            continue
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(one.lineno for one in decorators)])
        text = "\n".join(lines[first - 1 : node.end_lineno])
        gap = "\n" if isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign) else "\n\n\n"
        kept.append((gap, text))
    whole = "".join(gap + text for gap, text in kept).strip() + "\n"
    return _with_imports(whole, tree)


def _with_imports(source: str, tree: ast.Module) -> str:
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    bound = _imported(tree) | {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    missing = [line for name, line in KNOWN_IMPORTS.items() if name in read - bound]
    return "\n".join([*missing, "", "", source]) if missing else source
