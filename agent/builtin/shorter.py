"""Functions that others stand in for: quicker and a little less exact, or in need of less than all arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from agent.builtin.expr import Buffer, Expr, Exprs, walk

LINEAR_SOFTPLUS = 15.0
"""From here on a softplus is its argument, in float."""


def maxima(exprs: Mapping[Buffer, Expr], reductions: Iterable[Buffer]) -> dict[Expr, Buffer]:
    """What a maximum is taken of, and of which of the ``reductions`` it is the definition."""
    return {exprs[buffer]: buffer for buffer in reductions if buffer.definition.kind == "amax"}


def shortened(
    root: Expr,
    make: Exprs,
    tops: Mapping[Expr, Buffer],
    *,
    softplus: bool = True,
    stand_ins: Mapping[str, str] = MappingProxyType({}),
) -> Expr:
    """``exp(x - max(x))``, of what is never positive, becomes a quick one (``tops``: see ``maxima``);
    ``tanh(softplus(x))``, as in Mish, needs one exponential where ``softplus`` says so; ``stand_ins``: operation to the
    quicker one that stands for it.
    """

    def shorten(node: Expr, args: tuple[Expr, ...]) -> Expr:
        if node.kind != "f32":
            return make.rebuilt(node, args)
        if node.op == "exp" and _is_below_its_top(node.args[0], tops):
            return make.call("exp_fast", "f32", *args)
        inner = softplus_of(args[0]) if softplus and node.op == "tanh" else None
        if inner is not None:
            return make.call("tanh_softplus", "f32", inner)
        return make.call(stand_ins[node.op], "f32", *args) if node.op in stand_ins else make.rebuilt(node, args)

    done: dict[Expr, Expr] = {}
    for node in walk([root]):
        done[node] = shorten(node, tuple(done[a] for a in node.args))
    return done[root]


def _is_below_its_top(expr: Expr, tops: Mapping[Expr, Buffer]) -> bool:
    if expr.op != "sub":
        return False
    value, top = expr.args
    return top.op == "result" and tops.get(value) is top.payload


def softplus_of(expr: Expr) -> Expr | None:
    """The argument of a softplus, as torch's or spelled out; None for anything else.

    Torch's is the argument itself above 20, where the difference is below a float's precision.
    """
    if expr.op == "where":
        condition, linear, soft = expr.args
        threshold = condition.args[1] if condition.op == "gt" and condition.args[0] is linear else None
        if threshold is None or threshold.op != "const" or float(threshold.payload) < LINEAR_SOFTPLUS:
            return None
        return linear if softplus_of(soft) is linear else None
    if expr.op == "log1p" and expr.args[0].op == "exp":
        return expr.args[0].args[0]
    if expr.op == "log" and expr.args[0].op == "add":
        one = [a for a in expr.args[0].args if a.op == "const" and float(a.payload) == 1]
        power = [a for a in expr.args[0].args if a.op == "exp"]
        return power[0].args[0] if one and power else None
    return None
