"""Operators that no handler knows, left to torch with generated kernels around them: convolutions, say."""

from __future__ import annotations

import math
from typing import Any

from agent.builtin.expr import KIND_OF
from agent.builtin.lowering import External, Lowering, Node, NotComputed, Strided, Unsupported, Value
from agent.builtin.triton_windows import depthwise

REFUSED = ("rand", "bernoulli", "dropout", "multinomial", "poisson", "normal_", "view", "as_strided", "alias")
"""Parts of the names of operators that draw numbers, which belong to whoever sets the seed, or that give a part of
their input: a result has memory of its own.
"""
PLACES = ("device", "layout", "pin_memory")
"""Said by the graph of the machine it was read on."""


def foreign(low: Lowering, node: Node, *args: Any, **named: Any) -> Value:
    """The result of torch's own operator, in memory, but for a convolution of channels that do not mix. Raises
    Unsupported.
    """
    if node.op == "convolution" and (found := depthwise(low, node, *args)) is not None:
        return found
    is_refused = any(part in node.op for part in REFUSED)
    if is_refused or not node.dtype or node.results or "." in node.overload or not node.overload:
        raise Unsupported(f"aten.{node.op}.{node.overload}")
    views: list[Strided] = []
    spelled = [_spelled(low, arg, views) for arg in args]
    spelled += [f"{name}={_spelled(low, arg, views)}" for name, arg in named.items() if name not in PLACES]
    if not views:
        raise Unsupported(f"aten.{node.op}.{node.overload}")
    call = f"torch.ops.aten.{node.op}.{node.overload}({', '.join(spelled)}).contiguous()"
    return low.define(node.shape, node.dtype, External(f"aten.{node.op}.{node.overload}", tuple(views), call))


def _spelled(low: Lowering, arg: Any, views: list[Strided]) -> str:
    if isinstance(arg, Value):
        views.append(low.strided(arg))
        return f"{{{len(views) - 1}}}"
    if isinstance(arg, list):
        return f"[{', '.join(_spelled(low, part, views) for part in arg)}]"
    if isinstance(arg, NotComputed):
        raise Unsupported(f"it uses a result of {arg.node} that is not computed")
    if isinstance(arg, float) and not math.isfinite(arg):
        return f'float("{arg}")'
    if isinstance(arg, str) and arg in KIND_OF:
        return f"torch.{arg}"
    return repr(arg)
