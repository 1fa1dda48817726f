"""Functions that others stand in for: quicker and a little less exact, or in need of less than all arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.builtin.expr import Buffer, Expr, Exprs, walk

LINEAR_SOFTPLUS = 15.0
"""From here on a softplus is its argument, in float."""


def replaced(root: Expr, replace: Callable[[Expr, tuple[Expr, ...]], Expr]) -> Expr:
    """``root`` with every node made anew by ``replace``, which gets it and what its arguments became."""
    done: dict[Expr, Expr] = {}
    for node in walk([root]):
        done[node] = replace(node, tuple(done[a] for a in node.args))
    return done[root]


def is_maximum(buffer: Buffer) -> bool:
    """Whether a reduction's result is the largest of what it reduces."""
    return bool(buffer.definition.kind == "amax")


def below_its_top(expr: Expr, tops: Mapping[Expr, Buffer]) -> bool:
    """Whether it is ``x - max(x)``, never positive. ``tops``: what the maximum is taken of, and of which buffer it is
    the definition.
    """
    if expr.op != "sub":
        return False
    value, top = expr.args
    return top.op == "result" and tops.get(value) is top.payload


def shortened(root: Expr, make: Exprs, tops: Mapping[Expr, Buffer], *, narrow: bool) -> Expr:
    """The exponential of what is never positive may be a quick one. Where results are ``narrow``, of 16 bits,
    ``tanh(softplus(x))``, as in Mish, needs one exponential.
    """

    def shorten(node: Expr, args: tuple[Expr, ...]) -> Expr:
        if node.kind == "f32" and node.op == "exp" and below_its_top(node.args[0], tops):
            return make.call("exp_fast", "f32", args[0])
        inner = softplus_of(args[0]) if narrow and node.kind == "f32" and node.op == "tanh" else None
        return make.rebuilt(node, args) if inner is None else make.call("tanh_softplus", "f32", inner)

    return replaced(root, shorten)


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
