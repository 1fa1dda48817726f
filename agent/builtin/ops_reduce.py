"""Reductions, scans and the normalisations that are made of reductions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from agent.builtin.expr import KIND_OF, Expr
from agent.builtin.lowering import Lowering, Node, Scan, Unsupported, Value, handles, normalised
from agent.builtin.ops_pointwise import pointwise


def binary(low: Lowering, name: str, a: Value, b: Any, dtype: str | None = None) -> Value:
    """``a`` op ``b``, broadcast, in the dtype of ``a`` unless told."""
    target = dtype or a.dtype
    kind = KIND_OF[target]
    shape = a.shape
    if isinstance(b, Value) and len(b.shape) >= len(a.shape):
        shape = tuple(max(x, y) for x, y in zip((1,) * (len(b.shape) - len(a.shape)) + a.shape, b.shape, strict=True))

    def fn(x: Expr, y: Any) -> Expr:
        other = low.exprs.cast(y, kind) if isinstance(y, Expr) else low.exprs.const(y, kind)
        return low.exprs.call(name, kind, low.exprs.cast(x, kind), other)

    return low.map(shape, target, fn, a, b)


def unary(low: Lowering, name: str, a: Value) -> Value:
    """A function of each element, in its own dtype."""
    return low.map(a.shape, a.dtype, lambda x: low.exprs.call(name, a.kind, x), a)


def count(value: Value, dims: Sequence[int]) -> int:
    """Elements that one result of a reduction is made of."""
    axes = normalised(dims, len(value.shape)) or tuple(range(len(value.shape)))
    return math.prod(value.shape[d] for d in axes)


def mean(low: Lowering, value: Value, dims: Sequence[int], keepdim: bool) -> Value:
    """Arithmetic mean."""
    total = low.reduce("sum", value, dims, keepdim, value.dtype)
    return binary(low, "div", total, float(count(value, dims)))


def spread(low: Lowering, value: Value, dims: Sequence[int], keepdim: bool, correction: float) -> tuple[Value, Value]:
    """Variance and mean, one reading of memory: blocks are combined by Chan's formula."""
    middle = low.reduce("mean_of", value, dims, keepdim, value.dtype)
    squares = low.reduce("m2_of", value, dims, keepdim, value.dtype)
    return binary(low, "div", squares, max(float(count(value, dims)) - correction, 0.0)), middle


@handles("sum")
def _sum(low: Lowering, node: Node, x: Value, dims: Any = None, keepdim: bool = False, **_: Any) -> Value:
    return low.reduce("sum", low.cast(x, node.dtype), _dims(dims), keepdim, node.dtype)


@handles("mean")
def _mean(low: Lowering, node: Node, x: Value, dims: Any = None, keepdim: bool = False, **_: Any) -> Value:
    return mean(low, low.cast(x, node.dtype), _dims(dims), keepdim)


@handles("amax", "amin")
def _extreme(low: Lowering, node: Node, x: Value, dims: Any = None, keepdim: bool = False) -> Value:
    return low.reduce(node.op, x, _dims(dims), keepdim, node.dtype)


@handles("max", "min")
def _max(low: Lowering, node: Node, x: Value, dim: Any = None, keepdim: bool = False) -> Any:
    kind = "amax" if node.op == "max" else "amin"
    if isinstance(dim, Value):
        name = "maximum" if node.op == "max" else "minimum"
        return pointwise(low, node, lambda a, b: low.exprs.call(name, KIND_OF[node.dtype], a, b), x, dim)
    if dim is None:
        return low.reduce(kind, x, (), False, node.dtype)
    return [
        low.reduce(kind, x, [dim], keepdim, x.dtype),
        low.reduce("argmax" if node.op == "max" else "argmin", x, [dim], keepdim, "int64"),
    ]


@handles("argmax", "argmin")
def _arg(low: Lowering, node: Node, x: Value, dim: Any = None, keepdim: bool = False) -> Value:
    if dim is None:
        flat = low.reduce(node.op, low.reshape(x, (x.numel,)), [0], False, "int64")
        return low.reshape(flat, node.shape)
    return low.reduce(node.op, x, [dim], keepdim, "int64")


@handles("prod")
def _prod(low: Lowering, node: Node, x: Value, dim: Any = None, keepdim: bool = False, **_: Any) -> Value:
    return low.reduce("prod", low.cast(x, node.dtype), _dims(dim), keepdim, node.dtype)


@handles("any", "all")
def _any(low: Lowering, node: Node, x: Value, dims: Any = None, keepdim: bool = False) -> Value:
    return low.reduce(node.op, low.cast(x, "bool"), _dims(dims), keepdim, "bool")


@handles("count_nonzero")
def _count_nonzero(low: Lowering, node: Node, x: Value, dims: Any = None) -> Value:
    return low.reduce("sum", low.cast(low.cast(x, "bool"), "int64"), _dims(dims), False, "int64")


@handles("var", "std", "var_mean", "std_mean")
def _var(low: Lowering, node: Node, x: Value, dims: Any = None, *args: Any, **named: Any) -> Any:
    unbiased = named.get("unbiased", dims if isinstance(dims, bool) else args[0] if args else None)
    if isinstance(dims, bool):
        dims = None
    correction = named.get("correction")
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    keepdim = named.get("keepdim", args[1] if len(args) > 1 else False)
    variance, middle = spread(low, x, _dims(dims), keepdim, float(correction))
    result = unary(low, "sqrt", variance) if node.op.startswith("std") else variance
    return [result, middle] if node.op.endswith("mean") else result


@handles("linalg_vector_norm", "norm")
def _norm(low: Lowering, node: Node, x: Value, p: Any = 2, dims: Any = None, keepdim: bool = False, **_: Any) -> Value:
    order = 2.0 if p is None else float(p)
    value = low.cast(x, node.dtype)
    axes = _dims(dims)
    size = unary(low, "abs", value)
    if order == math.inf:
        return low.reduce("amax", size, axes, keepdim, node.dtype)
    if order == -math.inf:
        return low.reduce("amin", size, axes, keepdim, node.dtype)
    if order == 0:
        return low.reduce("sum", low.cast(low.cast(value, "bool"), node.dtype), axes, keepdim, node.dtype)
    if order == 1:
        return low.reduce("sum", size, axes, keepdim, node.dtype)
    if order == 2:
        return unary(low, "sqrt", low.reduce("sum", binary(low, "mul", value, value), axes, keepdim, node.dtype))
    powers = low.reduce("sum", binary(low, "pow", size, order), axes, keepdim, node.dtype)
    return binary(low, "pow", powers, 1.0 / order)


@handles("logsumexp")
def _logsumexp(low: Lowering, node: Node, x: Value, dims: Any, keepdim: bool = False) -> Value:
    top, total = _exp_sum(low, x, _dims(dims))
    result = binary(low, "add", unary(low, "log", total), top)
    return low.reshape(result, node.shape)


def _exp_sum(low: Lowering, x: Value, dims: Sequence[int]) -> tuple[Value, Value]:
    top = finite(low, low.reduce("amax", x, dims, True, x.dtype))
    shifted = unary(low, "exp", binary(low, "sub", x, top))
    return top, low.reduce("sum", shifted, dims, True, x.dtype)


def finite(low: Lowering, value: Value) -> Value:
    """Infinite maxima become 0, so that a row of -inf gives -inf and not NaN."""
    make, kind = low.exprs, value.kind

    def fn(e: Expr) -> Expr:
        return make.where(make.call("isinf", "b8", e), make.const(0, kind), e)

    return low.map(value.shape, value.dtype, fn, value)


@handles("_softmax", "softmax", "_safe_softmax")
def _softmax(low: Lowering, node: Node, x: Value, dim: int, *_: Any) -> Value:
    value = low.cast(x, node.dtype)
    if not value.shape:
        return low.constant(1.0, (), node.dtype)
    top = low.reduce("amax", value, [dim], True, value.dtype)
    shifted = unary(low, "exp", binary(low, "sub", value, top))
    total = low.reduce("sum", shifted, [dim], True, value.dtype)
    inverse = low.map(
        total.shape,
        total.dtype,
        lambda e: low.exprs.call("div", e.kind, low.exprs.const(1, e.kind), e),
        total,
    )
    return binary(low, "mul", shifted, inverse)


@handles("_log_softmax", "log_softmax")
def _log_softmax(low: Lowering, node: Node, x: Value, dim: int, *_: Any) -> Value:
    value = low.cast(x, node.dtype)
    if not value.shape:
        return low.constant(0.0, (), node.dtype)
    top = low.reduce("amax", value, [dim], True, value.dtype)
    shifted = binary(low, "sub", value, top)
    total = low.reduce("sum", unary(low, "exp", shifted), [dim], True, value.dtype)
    return binary(low, "sub", shifted, unary(low, "log", total))


@handles("cumsum", "cumprod")
def _scan(low: Lowering, node: Node, x: Value, dim: int, **_: Any) -> Value:
    value = low.cast(x, node.dtype)
    if not value.shape:
        return value
    return low.define(
        node.shape, node.dtype, Scan("sum" if node.op == "cumsum" else "prod", value, dim % len(value.shape))
    )


@handles("cummax", "cummin")
def _running_extreme(low: Lowering, node: Node, x: Value, dim: int) -> list[Value | None]:
    if not x.shape:
        return [x, None]
    kind = "amax" if node.op == "cummax" else "amin"
    return [low.define(x.shape, x.dtype, Scan(kind, x, dim % len(x.shape))), None]


# Normalisations


def normalise(low: Lowering, value: Value, dims: Sequence[int], eps: float) -> tuple[Value, Value, Value]:
    """(value - mean) / sqrt(var + eps), the mean, and 1 / sqrt(var + eps)."""
    variance, middle = spread(low, value, dims, True, 0.0)
    rstd = inverse_root(low, binary(low, "add", variance, eps))
    return binary(low, "mul", binary(low, "sub", value, middle), rstd), middle, rstd


def inverse_root(low: Lowering, value: Value) -> Value:
    """1 / sqrt."""
    make = low.exprs
    return low.map(
        value.shape, value.dtype,
        lambda e: make.call("div", e.kind, make.const(1, e.kind), make.call("sqrt", e.kind, e)), value,
    )  # fmt: skip


def affine(low: Lowering, value: Value, weight: Value | None, bias: Value | None) -> Value:
    """Scaled and shifted; both broadcast."""
    if weight is not None:
        value = binary(low, "mul", value, weight)
    if bias is not None:
        value = binary(low, "add", value, bias)
    return value


@handles("native_layer_norm", "layer_norm")
def _layer_norm(
    low: Lowering,
    node: Node,
    x: Value,
    shape: list[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
    *_: Any,
) -> Any:
    dims = list(range(len(x.shape) - len(shape), len(x.shape)))
    result, middle, rstd = normalise(low, x, dims, eps)
    scaled = affine(low, result, weight, bias)
    return scaled if node.op == "layer_norm" else [scaled, middle, rstd]


@handles("rms_norm", "_fused_rms_norm")
def _rms_norm(low: Lowering, node: Node, x: Value, shape: list[int], weight: Any = None, eps: Any = None) -> Any:
    dims = list(range(len(x.shape) - len(shape), len(x.shape)))
    default = {"float64": 2.220446049250313e-16, "float32": 1.1920928955078125e-07, "bfloat16": 0.0078125}
    floor = default.get(x.dtype, 0.0009765625) if eps is None else float(eps)
    square = mean(low, binary(low, "mul", x, x), dims, True)
    rstd = inverse_root(low, binary(low, "add", square, floor))
    scaled = affine(low, binary(low, "mul", x, rstd), weight, None)
    return scaled if node.op == "rms_norm" else [scaled, rstd]


@handles("native_group_norm", "group_norm")
def _group_norm(low: Lowering, node: Node, x: Value, *args: Any) -> Any:
    if node.op == "group_norm":
        groups, weight, bias, eps = args[0], *(list(args[1:4]) + [None, None, 1e-5][len(args) - 1 :])[:3]
    else:
        weight, bias, groups, eps = args[0], args[1], args[5], args[6]
    batch, channels = x.shape[0], x.shape[1]
    inner = math.prod(x.shape[2:])
    grouped = low.reshape(x, (batch, groups, channels // groups, inner))
    result, middle, rstd = normalise(low, grouped, [2, 3], eps)
    back = low.reshape(result, x.shape)
    scaled = affine(low, back, *(_channel(low, p, x) for p in (weight, bias)))
    if node.op == "group_norm":
        return scaled
    return [scaled, low.reshape(middle, (batch, groups)), low.reshape(rstd, (batch, groups))]


def _channel(low: Lowering, parameter: Value | None, x: Value) -> Value | None:
    if parameter is None:
        return None
    return low.reshape(parameter, (1, x.shape[1], *([1] * (len(x.shape) - 2))))


@handles("_native_batch_norm_legit_no_training")
def _batch_norm(
    low: Lowering,
    node: Node,
    x: Value,
    weight: Any,
    bias: Any,
    middle: Value,
    variance: Value,
    _momentum: float,
    eps: float,
) -> list[Value | None]:
    rstd = inverse_root(low, binary(low, "add", variance, eps))
    centred = binary(low, "sub", x, _channel(low, middle, x))
    result = affine(
        low,
        binary(low, "mul", centred, _channel(low, rstd, x)),
        _channel(low, weight, x),
        _channel(low, bias, x),
    )
    return [result, None, None]


@handles("_native_batch_norm_legit", "native_batch_norm")
def _batch_statistics(low: Lowering, node: Node, x: Value, weight: Any, bias: Any, *rest: Any) -> list[Value | None]:
    if len(rest) == 3:  # without running statistics: what InstanceNorm becomes
        training, eps = rest[0], rest[2]
    else:
        training, eps = rest[2], rest[4]
        if not training:
            return _batch_norm(low, node, x, weight, bias, rest[0], rest[1], 0.0, eps)  # type: ignore[no-any-return]
    if len(rest) != 3:
        raise Unsupported("batch normalisation in training (it changes its running statistics)")
    dims = [d for d in range(len(x.shape)) if d != 1]
    result, _, _ = normalise(low, x, dims, eps)
    return [affine(low, result, _channel(low, weight, x), _channel(low, bias, x)), None, None]


def _dims(dims: Any) -> list[int]:
    if dims is None:
        return []
    return [dims] if isinstance(dims, int) else list(dims)
