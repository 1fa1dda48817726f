"""Sizes: what axes come to for one workload, and what the definition demands of them."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from evals.formats.schema import ConstAxis, Definition, ExprAxis, FormatError, Tensor, VarAxis, Workload

_BINARY: Final[dict[type[ast.AST], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: Final[dict[type[ast.AST], Callable[[Any], Any]]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
_COMPARED: Final[dict[type[ast.AST], Callable[[Any, Any], bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_LARGEST_EXPONENT: Final = 64
"""No size needs more, and a tower of powers would never end."""
_LARGEST_SIZE: Final = 1 << 48
"""Elements along one axis; more are in no memory."""


def sizes_of(definition: Definition, workload: Workload) -> dict[str, int]:
    """Every axis, in the definition's order. Raises FormatError, also where a constraint on axes does not hold."""
    strange = sorted(
        name for name in workload.axes if not isinstance(definition.axes.get(name), VarAxis | ConstAxis | ExprAxis)
    )
    if strange:
        raise FormatError(f"workload {workload.uuid}: the definition has no axis {strange[0]}")
    found: dict[str, int] = {}
    for name, axis in definition.axes.items():
        if isinstance(axis, VarAxis):
            if name not in workload.axes:
                raise FormatError(f"workload {workload.uuid} gives no size for the axis {name}")
            found[name] = workload.axes[name]
        elif isinstance(axis, ConstAxis):
            found[name] = axis.value
    for name, axis in definition.axes.items():
        if isinstance(axis, ExprAxis):
            found[name] = _size(axis.expression, found, name)
    for name, given in workload.axes.items():
        if found[name] != given:
            raise FormatError(f"workload {workload.uuid}: axis {name} is {found[name]}, and not {given}")
    for text in definition.constraints or ():
        if concerns_axes_only(text, definition) and not _value(text, found):
            raise FormatError(f"workload {workload.uuid} breaks the constraint {text}")
    return {name: found[name] for name in definition.axes}


def shape_of(tensor: Tensor, sizes: Mapping[str, int], name: str) -> tuple[int, ...] | None:
    """The shape of an input or output, None for a plain number. Raises FormatError."""
    if tensor.shape is None:
        return None
    found = []
    for item in tensor.shape:
        if isinstance(item, str) and item in sizes:
            found.append(sizes[item])
        elif isinstance(item, int) or item.isdecimal():
            found.append(int(item))
        else:
            raise FormatError(f"{name} has the axis {item}, which the definition does not define")
    return tuple(found)


def concerns_axes_only(text: str, definition: Definition) -> bool:
    """Whether a constraint can be decided without the inputs' values. Raises FormatError if it is no expression."""
    tree = _parsed(text, "constraint")
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names <= definition.axes.keys() and not any(isinstance(node, ast.Call) for node in ast.walk(tree))


def _size(text: str, sizes: Mapping[str, int], name: str) -> int:
    value = _value(text, sizes)
    if isinstance(value, bool) or not 0 <= value <= _LARGEST_SIZE or value != int(value):
        raise FormatError(f"axis {name}: {text} comes to {value}, which is no size")
    return int(value)


def _value(text: str, names: Mapping[str, Any]) -> Any:
    try:
        return _evaluated(_parsed(text, "expression").body, names)
    except (ArithmeticError, ValueError) as error:
        raise FormatError(f"{text}: {error}") from error


def _parsed(text: str, kind: str) -> ast.Expression:
    try:
        return ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError) as error:
        raise FormatError(f"the {kind} {text} is no Python expression") from error


def _evaluated(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Arithmetic, comparisons and logic, and nothing that could do more."""
    match node:
        case ast.Constant(value=bool() | int() | float() as value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Name(id=name):
            raise FormatError(f"it uses {name}, which is no axis with a value")
        case ast.BinOp(left=left, op=kind, right=right) if type(kind) in _BINARY:
            first, second = _evaluated(left, names), _evaluated(right, names)
            if isinstance(kind, ast.Pow) and (abs(second) > _LARGEST_EXPONENT or abs(first) > _LARGEST_SIZE):
                raise FormatError(f"{ast.unparse(node)} is too large for a size")
            return _BINARY[type(kind)](first, second)
        case ast.UnaryOp(op=kind, operand=operand) if type(kind) in _UNARY:
            return _UNARY[type(kind)](_evaluated(operand, names))
        case ast.BoolOp(op=kind, values=values):
            every = all if isinstance(kind, ast.And) else any
            return every(_evaluated(value, names) for value in values)
        case ast.Compare(left=left, ops=kinds, comparators=others) if all(type(kind) in _COMPARED for kind in kinds):
            found = [_evaluated(item, names) for item in (left, *others)]
            return all(
                _COMPARED[type(kind)](one, other) for kind, one, other in zip(kinds, found, found[1:], strict=False)
            )
    raise FormatError(f"{ast.unparse(node)} is more than arithmetic on axes")
