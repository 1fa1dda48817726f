"""Functions that others stand in for: quicker and a little less exact, or in need of less than all arguments."""

from __future__ import annotations

from collections.abc import Callable

from agent.builtin.expr import Expr, Exprs, walk

LINEAR_SOFTPLUS = 15.0
"""From here on a softplus is its argument, in float."""


def replaced(root: Expr, replace: Callable[[Expr, tuple[Expr, ...]], Expr]) -> Expr:
    """``root`` with every node made anew by ``replace``, which gets it and what its arguments became."""
    done: dict[Expr, Expr] = {}
    for node in walk([root]):
        done[node] = replace(node, tuple(done[a] for a in node.args))
    return done[root]


def with_tanh_of_softplus(root: Expr, make: Exprs) -> Expr:
    """``tanh(softplus(x))``, as in Mish, with one exponential."""

    def shorten(node: Expr, args: tuple[Expr, ...]) -> Expr:
        inner = softplus_of(args[0]) if node.op == "tanh" and node.kind == "f32" else None
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
