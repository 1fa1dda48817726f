"""Pointwise operators."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from agent.builtin.expr import KIND_OF, Expr, Kind
from agent.builtin.lowering import HANDLERS, Lowering, Node, Unsupported, Value, handles, promoted


def pointwise(low: Lowering, node: Node, fn: Callable[..., Expr], *args: Any, kind: Kind | None = None) -> Value:
    """Broadcast, convert the arguments to the kind worked in, apply, convert to the result's kind."""
    work = kind or KIND_OF[node.dtype]
    result = KIND_OF[node.dtype]

    def apply(*parts: Any) -> Expr:
        exprs = [low.exprs.cast(p, work) if isinstance(p, Expr) else low.exprs.const(p, work) for p in parts]
        return low.exprs.cast(fn(*exprs), result)

    return low.map(node.shape, node.dtype, apply, *args)


def _simple(name: str, *names: str) -> None:
    def handler(low: Lowering, node: Node, *args: Any) -> Value:
        kind = KIND_OF[node.dtype]
        return pointwise(low, node, lambda *e: low.exprs.call(name, kind, *e), *args)

    for op in (name, *names):
        HANDLERS[op] = handler


for _name in [
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "erf",
    "erfc",
    "sigmoid",
    "neg",
    "abs",
    "floor",
    "ceil",
    "trunc",
    "minimum",
    "maximum",
    "fmin",
    "fmax",
    "atan2",
    "hypot",
    "copysign",
]:
    _simple(_name)
_simple("rint", "round")


@handles("relu")
def _relu(low: Lowering, node: Node, x: Value) -> Value:
    kind = KIND_OF[node.dtype]
    return pointwise(low, node, lambda e: low.exprs.call("maximum", kind, e, low.exprs.const(0, kind)), x)


@handles("add", "sub", "rsub")
def _add(low: Lowering, node: Node, a: Any, b: Any, alpha: float = 1) -> Value:
    kind = KIND_OF[node.dtype]
    if node.op == "rsub":
        a, b = b, a
    name = "add" if node.op == "add" else "sub"

    def fn(x: Expr, y: Expr) -> Expr:
        if alpha != 1:
            target, factor = (
                (x, low.exprs.const(alpha, kind)) if node.op == "rsub" else (y, low.exprs.const(alpha, kind))
            )
            scaled = low.exprs.call("mul", kind, target, factor)
            x, y = (scaled, y) if node.op == "rsub" else (x, scaled)
        if kind == "b8":
            return low.exprs.call("or", kind, x, y)
        return low.exprs.call(name, kind, x, y)

    return pointwise(low, node, fn, a, b)


@handles("mul")
def _mul(low: Lowering, node: Node, a: Any, b: Any) -> Value:
    kind = KIND_OF[node.dtype]
    name = "and" if kind == "b8" else "mul"
    return pointwise(low, node, lambda x, y: low.exprs.call(name, kind, x, y), a, b)


@handles("div", "floor_divide")
def _div(low: Lowering, node: Node, a: Any, b: Any, rounding_mode: str | None = None) -> Value:
    kind = KIND_OF[node.dtype]
    mode = "floor" if node.op == "floor_divide" else rounding_mode

    def fn(x: Expr, y: Expr) -> Expr:
        if kind == "i64":
            return low.exprs.call("floor_div" if mode == "floor" else "int_div", kind, x, y)
        quotient = _over(low, x, y, kind)
        return quotient if mode is None else low.exprs.call(mode, kind, quotient)

    return pointwise(low, node, fn, a, b)


def _over(low: Lowering, x: Expr, y: Expr, kind: Kind) -> Expr:
    if y.op == "const" and math.frexp(float(y.payload))[0] in (0.5, -0.5):
        return low.exprs.call("mul", kind, x, low.exprs.const(1.0 / float(y.payload), kind))  # exact
    return low.exprs.call("div", kind, x, y)


@handles("reciprocal")
def _reciprocal(low: Lowering, node: Node, x: Value) -> Value:
    kind = KIND_OF[node.dtype]
    return pointwise(low, node, lambda e: low.exprs.call("div", kind, low.exprs.const(1, kind), e), x)


@handles("rsqrt")
def _rsqrt(low: Lowering, node: Node, x: Value) -> Value:
    kind = KIND_OF[node.dtype]
    one = low.exprs.const(1, kind)
    return pointwise(low, node, lambda e: low.exprs.call("div", kind, one, low.exprs.call("sqrt", kind, e)), x)


@handles("remainder", "fmod")
def _remainder(low: Lowering, node: Node, a: Any, b: Any) -> Value:
    kind = KIND_OF[node.dtype]

    def fn(x: Expr, y: Expr) -> Expr:
        if kind == "i64":
            return low.exprs.call("floor_mod" if node.op == "remainder" else "int_mod", kind, x, y)
        if node.op == "fmod":
            return low.exprs.call("fmod", kind, x, y)
        quotient = low.exprs.call("floor", kind, low.exprs.call("div", kind, x, y))
        return low.exprs.call("sub", kind, x, low.exprs.call("mul", kind, quotient, y))

    return pointwise(low, node, fn, a, b)


@handles("pow")
def _pow(low: Lowering, node: Node, a: Any, b: Any) -> Value:
    kind = KIND_OF[node.dtype]
    if isinstance(b, (int, float)) and not isinstance(b, bool):
        return pointwise(low, node, lambda x: _power(low, x, float(b), kind), a)
    name = "ipow" if kind == "i64" else "pow"
    return pointwise(low, node, lambda x, y: low.exprs.call(name, kind, x, y), a, b)


def _power(low: Lowering, x: Expr, n: float, kind: Kind) -> Expr:
    make = low.exprs
    if n == 0.5:
        return make.call("sqrt", kind, x)
    if n == -0.5:
        return make.call("div", kind, make.const(1, kind), make.call("sqrt", kind, x))
    if n == int(n) and 1 <= abs(n) <= 4:
        result = x
        for _ in range(int(abs(n)) - 1):
            result = make.call("mul", kind, result, x)
        return result if n > 0 else make.call("div", kind, make.const(1, kind), result)
    return make.call("ipow" if kind == "i64" else "pow", kind, x, make.const(n, kind))


@handles("eq", "ne", "lt", "le", "gt", "ge")
def _compare(low: Lowering, node: Node, a: Any, b: Any) -> Value:
    work = promoted([a, b])
    return pointwise(low, node, lambda x, y: low.exprs.call(node.op, "b8", x, y), a, b, kind=work)


@handles("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor")
def _logical(low: Lowering, node: Node, a: Any, b: Any) -> Value:
    work: Kind = "b8" if node.op.startswith("logical") else KIND_OF[node.dtype]
    name = node.op.rpartition("_")[2]
    return pointwise(low, node, lambda x, y: low.exprs.call(name, work, x, y), a, b, kind=work)


@handles("logical_not", "bitwise_not")
def _not(low: Lowering, node: Node, x: Value) -> Value:
    work: Kind = "b8" if node.op == "logical_not" else KIND_OF[node.dtype]
    name = "not" if work == "b8" else "invert"
    return pointwise(low, node, lambda e: low.exprs.call(name, work, e), x, kind=work)


@handles("isnan", "isinf", "isfinite", "signbit")
def _classify(low: Lowering, node: Node, x: Value) -> Value:
    return pointwise(low, node, lambda e: low.exprs.call(node.op, "b8", e), x, kind=x.kind)


@handles("sign", "sgn")
def _sign(low: Lowering, node: Node, x: Value) -> Value:
    kind = KIND_OF[node.dtype]
    return pointwise(low, node, lambda e: low.exprs.call("sign", kind, e), x)


@handles("where")
def _where(low: Lowering, node: Node, condition: Value, a: Any, b: Any) -> Value:
    kind = KIND_OF[node.dtype]
    parts = [low.expand(v, node.shape) if isinstance(v, Value) else v for v in (condition, a, b)]

    def at(index: list[Any]) -> Expr:
        test, yes, no = (p.at(index) if isinstance(p, Value) else low.exprs.const(p, kind) for p in parts)
        return low.exprs.where(low.exprs.cast(test, "b8"), low.exprs.cast(yes, kind), low.exprs.cast(no, kind))

    return Value(node.shape, node.dtype, at)


@handles("masked_fill")
def _masked_fill(low: Lowering, node: Node, x: Value, mask: Value, fill: Any) -> Value:
    return _where(low, node, mask, fill, x)  # type: ignore[no-any-return]


@handles("clamp", "clamp_min", "clamp_max", "hardtanh", "clip")
def _clamp(low: Lowering, node: Node, x: Value, low_: Any = None, high: Any = None, **named: Any) -> Value:
    if node.op == "clamp_max":
        low_, high = None, low_
    if node.op == "hardtanh":
        low_ = -1.0 if low_ is None else low_
        high = 1.0 if high is None else high
    low_, high = named.get("min", named.get("min_val", low_)), named.get("max", named.get("max_val", high))
    kind = KIND_OF[node.dtype]
    value = low.cast(x, node.dtype)
    if low_ is not None:
        value = pointwise(low, node, lambda e, b: low.exprs.call("maximum", kind, e, b), value, low_)
    if high is not None:
        value = pointwise(low, node, lambda e, b: low.exprs.call("minimum", kind, e, b), value, high)
    return low.expand(value, node.shape)


@handles("leaky_relu")
def _leaky_relu(low: Lowering, node: Node, x: Value, slope: float = 0.01) -> Value:
    make, kind = low.exprs, KIND_OF[node.dtype]

    def fn(e: Expr) -> Expr:
        scaled = make.call("mul", kind, e, make.const(slope, kind))
        return make.where(make.call("gt", "b8", e, make.const(0, kind)), e, scaled)

    return pointwise(low, node, fn, x)


@handles("elu")
def _elu(low: Lowering, node: Node, x: Value, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Value:
    make, kind = low.exprs, KIND_OF[node.dtype]

    def fn(e: Expr) -> Expr:
        inner = make.call("mul", kind, e, make.const(input_scale, kind)) if input_scale != 1 else e
        negative = make.call("mul", kind, make.call("expm1", kind, inner), make.const(alpha * scale, kind))
        positive = make.call("mul", kind, e, make.const(scale, kind)) if scale != 1 else e
        return make.where(make.call("gt", "b8", e, make.const(0, kind)), positive, negative)

    return pointwise(low, node, fn, x)


@handles("gelu")
def _gelu(low: Lowering, node: Node, x: Value, approximate: str = "none") -> Value:
    make, kind = low.exprs, KIND_OF[node.dtype]

    def c(value: float) -> Expr:
        return make.const(value, kind)

    def mul(a: Expr, b: Expr) -> Expr:
        return make.call("mul", kind, a, b)

    def fn(e: Expr) -> Expr:
        if approximate == "tanh":
            cubic = make.call("add", kind, e, mul(c(0.044715), mul(e, mul(e, e))))
            inner = make.call("tanh", kind, mul(c(math.sqrt(2 / math.pi)), cubic))
        else:
            inner = make.call("erf", kind, mul(e, c(math.sqrt(0.5))))
        return mul(mul(c(0.5), e), make.call("add", kind, c(1), inner))

    return pointwise(low, node, fn, x)


@handles("silu")
def _silu(low: Lowering, node: Node, x: Value) -> Value:
    make, kind = low.exprs, KIND_OF[node.dtype]

    def fn(e: Expr) -> Expr:
        one = make.const(1, kind)
        return make.call("div", kind, e, make.call("add", kind, one, make.call("exp", kind, make.call("neg", kind, e))))

    return pointwise(low, node, fn, x)


@handles("softplus")
def _softplus(low: Lowering, node: Node, x: Value, beta: float = 1, threshold: float = 20) -> Value:
    make, kind = low.exprs, KIND_OF[node.dtype]

    def fn(e: Expr) -> Expr:
        scaled = make.call("mul", kind, e, make.const(beta, kind)) if beta != 1 else e
        soft = make.call("log1p", kind, make.call("exp", kind, scaled))
        soft = make.call("div", kind, soft, make.const(beta, kind)) if beta != 1 else soft
        return make.where(make.call("gt", "b8", scaled, make.const(threshold, kind)), e, soft)

    return pointwise(low, node, fn, x)


@handles("addcmul", "addcdiv")
def _addc(low: Lowering, node: Node, x: Value, a: Value, b: Value, value: float = 1) -> Value:
    make, kind = low.exprs, KIND_OF[node.dtype]
    inner = "mul" if node.op == "addcmul" else "div"

    def fn(e: Expr, p: Expr, q: Expr) -> Expr:
        product = make.call(inner, kind, p, q)
        if value != 1:
            product = make.call("mul", kind, make.const(value, kind), product)
        return make.call("add", kind, e, product)

    return pointwise(low, node, fn, x, a, b)


@handles("lerp")
def _lerp(low: Lowering, node: Node, a: Value, b: Value, weight: Any) -> Value:
    make, kind = low.exprs, KIND_OF[node.dtype]

    def fn(x: Expr, y: Expr, w: Expr) -> Expr:
        return make.call("add", kind, x, make.call("mul", kind, w, make.call("sub", kind, y, x)))

    return pointwise(low, node, fn, a, b, weight)


@handles("_to_copy", "to", "clone", "alias", "detach", "lift_fresh_copy", "_tensor_constant", "contiguous")
def _copy(low: Lowering, node: Node, x: Value, *_: Any, **__: Any) -> Value:
    return low.cast(x, node.dtype)


@handles("copy")
def _copy_into(low: Lowering, node: Node, _to: Value, source: Value, *__: Any) -> Value:
    return low.expand(low.cast(source, node.dtype), node.shape)


@handles("native_dropout", "dropout")
def _dropout(low: Lowering, node: Node, x: Value, p: float, train: bool) -> Any:
    if train and p > 0:
        raise Unsupported("dropout in training")
    return x if node.op == "dropout" else [x, None]


@handles("empty", "empty_like", "empty_permuted", "new_empty", "new_empty_strided", "empty_strided")
def _empty(low: Lowering, node: Node, *_: Any, **__: Any) -> Value:
    return low.constant(0, node.shape, node.dtype)  # whoever reads it before writing it reads anything


@handles("__lshift__", "__rshift__", "bitwise_left_shift", "bitwise_right_shift")
def _shift(low: Lowering, node: Node, a: Any, b: Any) -> Value:
    name = "shift_left" if "left" in node.op or "lshift" in node.op else "shift_right"
    return pointwise(low, node, lambda x, y: low.exprs.call(name, "i64", x, y), a, b)


@handles("full", "full_like", "zeros", "zeros_like", "ones", "ones_like", "scalar_tensor", "new_zeros", "new_full")
def _full(low: Lowering, node: Node, *args: Any, **_: Any) -> Value:
    fills = {"zeros": 0, "zeros_like": 0, "new_zeros": 0, "ones": 1, "ones_like": 1}
    fill = fills.get(node.op)
    if fill is None:
        fill = args[0] if node.op == "scalar_tensor" else args[-1]
    return low.constant(fill, node.shape, node.dtype)


@handles("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size", "_assert_async")
def _nothing(low: Lowering, node: Node, *_: Any, **__: Any) -> None:
    return None
