"""Losses, pooling, embedding bags and matrix products."""

from __future__ import annotations

import functools
import math
from typing import Any

from agent.builtin.expr import KIND_OF, Expr
from agent.builtin.index import Index, of
from agent.builtin.lowering import External, Lowering, Node, Ragged, Unsupported, Value, Window, handles
from agent.builtin.ops_reduce import binary, mean
from agent.builtin.ops_views import indirect

REDUCTIONS = {0: "none", 1: "mean", 2: "sum"}


def reduced(low: Lowering, value: Value, reduction: int) -> Value:
    """A loss after its reduction."""
    if reduction == 0:
        return value
    return mean(low, value, [], False) if reduction == 1 else low.reduce("sum", value, [], False, value.dtype)


@handles("nll_loss_forward", "nll_loss2d_forward")
def _nll(
    low: Lowering, node: Node, logs: Value, target: Value, weight: Value | None, reduction: int, ignore: int
) -> list[Value]:
    make, kind, dtype = low.exprs, logs.kind, logs.dtype
    channel = 0 if len(logs.shape) == 1 else 1

    def pick(index: list[Index], of_weight: bool) -> Expr:
        label = target.at(index)
        ignored = make.call("eq", "b8", label, make.const(ignore, "i64"))
        safe = make.where(ignored, make.const(0, "i64"), label)
        read = indirect(low, safe, logs.shape[channel])
        scale = weight.at([read]) if weight is not None else make.const(1, kind)
        zero = make.const(0, kind)
        if of_weight:
            return make.where(ignored, zero, scale)
        value = make.call("neg", kind, logs.at([*index[:channel], read, *index[channel:]]))
        if weight is not None:
            value = make.call("mul", kind, value, scale)
        return make.where(ignored, zero, value)

    losses = Value(target.shape, dtype, lambda index: pick(index, False))
    weights = Value(target.shape, dtype, lambda index: pick(index, True))
    if reduction == 0:
        return [losses, low.constant(0, (), dtype)]
    total = low.reduce("sum", losses, [], False, dtype)
    mass = low.reduce("sum", weights, [], False, dtype)
    return [binary(low, "div", total, mass) if reduction == 1 else total, mass]


@handles("mse_loss", "smooth_l1_loss", "huber_loss")
def _regression(low: Lowering, node: Node, a: Value, b: Value, reduction: int = 1, beta: float = 1.0) -> Value:
    make = low.exprs

    def fn(x: Expr, y: Expr) -> Expr:
        kind = x.kind
        gap = make.call("sub", kind, x, y)
        square = make.call("mul", kind, gap, gap)
        if node.op == "mse_loss":
            return square
        size = make.call("abs", kind, gap)
        half = make.call("mul", kind, make.const(0.5, kind), square)
        linear = make.call("sub", kind, size, make.const(0.5 * beta, kind))
        inside = make.call("lt", "b8", size, make.const(beta, kind))
        if node.op == "huber_loss":
            return make.where(inside, half, make.call("mul", kind, make.const(beta, kind), linear))
        return make.where(inside, make.call("div", kind, half, make.const(beta, kind)), linear) if beta else size

    shape = a.shape if len(a.shape) >= len(b.shape) else b.shape
    return reduced(low, low.map(shape, a.dtype, fn, a, b), reduction)


# Pooling


def _per_dim(given: Any, rank: int, default: tuple[int, ...]) -> tuple[int, ...]:
    if given is None or given == []:
        return default
    values = (given,) if isinstance(given, int) else tuple(given)
    return values * rank if len(values) == 1 else values


@handles("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "max_pool3d_with_indices")
def _max_pool(
    low: Lowering,
    node: Node,
    x: Value,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    _ceil: bool = False,
) -> Any:
    rank = int(node.op[node.op.index("d") - 1])
    sizes = _per_dim(kernel, rank, ())
    shape = tuple(node.results[0]["shape"]) if node.results else node.shape
    pooled = low.define(
        shape, x.dtype,
        Window(
            "amax", x, sizes, _per_dim(stride, rank, sizes), _per_dim(padding, rank, (0,) * rank),
            _per_dim(dilation, rank, (1,) * rank),
        ),
    )  # fmt: skip
    return [pooled, None] if node.results else pooled


@handles("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _avg_pool(
    low: Lowering, node: Node, x: Value, kernel: Any, stride: Any = None, padding: Any = 0, _ceil: bool = False,
    count_padding: bool = True, divisor: Any = None,
) -> Value:  # fmt: skip
    rank = int(node.op[8])
    sizes = _per_dim(kernel, rank, ())
    steps, pads = _per_dim(stride, rank, sizes), _per_dim(padding, rank, (0,) * rank)
    total = low.define(node.shape, x.dtype, Window("sum", x, sizes, steps, pads, (1,) * rank))
    if divisor:
        return binary(low, "div", total, float(divisor))
    spatial = x.shape[len(x.shape) - rank :]
    counts = [
        [_window_count(o, k, s, p, n, count_padding) for o in range(out)]
        for out, k, s, p, n in zip(node.shape[-rank:], sizes, steps, pads, spatial, strict=True)
    ]
    if all(len(set(c)) == 1 for c in counts):
        return binary(low, "div", total, float(math.prod(c[0] for c in counts)))
    return _divide_by_counts(low, total, counts, rank)


def _window_count(position: int, kernel: int, stride: int, pad: int, size: int, count_padding: bool) -> int:
    start = position * stride - pad
    end = min(start + kernel, size + pad)
    return end - start if count_padding else min(end, size) - max(start, 0)


def _divide_by_counts(low: Lowering, total: Value, counts: list[list[int]], rank: int) -> Value:
    """Edge windows hold fewer elements: their count is chosen by comparisons with the few uneven positions."""
    make, kind = low.exprs, total.kind

    def size_at(index: Index, sizes: list[int]) -> Expr:
        usual = max(set(sizes), key=sizes.count)
        result = make.const(usual, kind)
        for position, size in enumerate(sizes):
            if size != usual:
                here = make.call("eq", "b8", make.index(index), make.const(position, "i64"))
                result = make.where(here, make.const(size, kind), result)
        return result

    def at(index: list[Index]) -> Expr:
        number = make.const(1, kind)
        for i, sizes in zip(index[-rank:], counts, strict=True):
            number = make.call("mul", kind, number, size_at(i, sizes))
        return make.call("div", kind, total.at(index), number)

    return Value(total.shape, total.dtype, at)


@handles("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_avg_pool1d", "adaptive_max_pool2d",
         "adaptive_max_pool1d",         "adaptive_max_pool3d")  # fmt: skip
def _adaptive(low: Lowering, node: Node, x: Value, out: Any) -> Any:
    sizes = [out] if isinstance(out, int) else list(out)
    spatial = x.shape[-len(sizes) :]
    is_max = "max" in node.op
    if all(n % o == 0 for n, o in zip(spatial, sizes, strict=True)):
        split = list(x.shape[: -len(sizes)])
        dims = []
        for n, o in zip(spatial, sizes, strict=True):
            split += [o, n // o]
            dims.append(len(split) - 1)
        windows = low.reshape(x, tuple(split))
        pooled = low.reduce("amax", windows, dims, False, x.dtype) if is_max else mean(low, windows, dims, False)
    else:
        pooled = _uneven(low, x, sizes, is_max=is_max)
    return [pooled, None] if is_max else pooled


def _uneven(low: Lowering, x: Value, sizes: list[int], *, is_max: bool) -> Value:
    """Window ``i`` of ``o`` over ``n`` reaches from floor(i n / o) to ceil((i + 1) n / o): all are taken as long as
    the longest, and what is too much of a shorter one is left out.
    """
    if is_max and x.kind == "i64":
        raise Unsupported("adaptive max pooling of integers with uneven windows")
    make, rank = low.exprs, len(sizes)
    lead, extents = x.shape[:-rank], list(zip(x.shape[-rank:], sizes, strict=True))
    lengths = [{-(-(i + 1) * n // o) - i * n // o for i in range(o)} for n, o in extents]
    nothing = make.const(-math.inf if is_max else 0, x.kind)

    def ends(window: Index, n: int, o: int) -> tuple[Index, Index]:
        return (window * n).over(o), (window * n + (n + o - 1)).over(o)

    def at(index: list[Index]) -> Expr:
        where, tests = list(index[: len(lead)]), []
        places = zip(index[len(lead) :: 2], index[len(lead) + 1 :: 2], extents, lengths, strict=True)
        for window, step, (n, o), differ in places:
            start, end = ends(window, n, o)
            where.append(start + step)
            if len(differ) > 1:
                tests.append(make.call("lt", "b8", make.index(start + step), make.index(end)))
        if not tests:
            return x.at(where)
        inside = functools.reduce(lambda a, b: make.call("and", "b8", a, b), tests)
        make.guards.append(inside)
        value = x.at(where)
        make.guards.pop()
        return make.where(inside, value, nothing)

    shape = [*lead, *(size for (_, o), differ in zip(extents, lengths, strict=True) for size in (o, max(differ)))]
    windows = Value(tuple(shape), x.dtype, at)
    dims = range(len(lead) + 1, len(shape), 2)
    pooled = low.reduce("amax" if is_max else "sum", windows, dims, False, x.dtype)
    if is_max:
        return pooled

    def divided(index: list[Index]) -> Expr:
        count = make.const(1, "i64")
        for window, (n, o) in zip(index[-rank:], extents, strict=True):
            start, end = ends(window, n, o)
            count = make.call("mul", "i64", count, make.index(end + start * -1))
        return make.call("div", x.kind, pooled.at(index), make.cast(count, x.kind))

    return Value(pooled.shape, x.dtype, divided)


# Embedding bags


@handles("_embedding_bag", "_embedding_bag_forward_only")
def _embedding_bag(
    low: Lowering, node: Node, weight: Value, where: Value, offsets: Value, _scale: bool = False, mode: int = 0,
    _sparse: bool = False, sample: Value | None = None, include_last: bool = False, padding: int = -1,
) -> list[Any]:  # fmt: skip
    if padding >= 0:
        raise Unsupported("an embedding bag with padding_idx")
    make, kind = low.exprs, weight.kind
    bags, width = node.results[0]["shape"]

    def element(position: Index, column: Index) -> Expr:
        value = weight.at([indirect(low, where.at([position]), weight.shape[0]), column])
        return value if sample is None else make.call("mul", kind, value, make.cast(sample.at([position]), kind))

    mode_name = {0: "sum", 1: "mean", 2: "amax"}[mode]
    even = _even_bags(low, offsets, where.shape[0], bags)
    if even is not None:
        length = even
        full = Value((bags, length, width), weight.dtype, lambda i: element(i[0] * length + i[1], i[2]))
        if mode_name == "mean":
            return [mean(low, full, [1], False), None, None, None]
        return [low.reduce(mode_name, full, [1], False, weight.dtype), None, None, None]
    definition = Ragged(mode_name, element, offsets, where.shape[0], include_last)
    return [low.define((bags, width), weight.dtype, definition), None, None, None]


def _even_bags(low: Lowering, offsets: Value, total: int, bags: int) -> int | None:
    """Length of every bag, where the offsets are an arange the operator made itself (a 2-D input)."""
    if bags == 0 or total % bags or total == 0:
        return None
    length = total // bags
    probe = offsets.at([of(bags - 1)])
    if probe.op == "const" and int(float(probe.payload)) == (bags - 1) * length:
        return length
    return None


# Matrix products


@handles("mm", "bmm")
def _mm(low: Lowering, node: Node, a: Value, b: Value) -> Value:
    return low.define(node.shape, node.dtype, External(node.op, (low.strided(a), low.strided(b))))


@handles("addmm", "baddbmm")
def _addmm(low: Lowering, node: Node, bias: Value, a: Value, b: Value, beta: float = 1, alpha: float = 1) -> Value:
    make, kind = low.exprs, KIND_OF[node.dtype]
    op = "mm" if node.op == "addmm" else "bmm"
    product = low.define(node.shape, node.dtype, External(op, (low.strided(a), low.strided(b))))

    def fn(p: Expr, c: Expr) -> Expr:
        if alpha != 1:
            p = make.call("mul", kind, p, make.const(alpha, kind))
        if beta != 1:
            c = make.call("mul", kind, c, make.const(beta, kind))
        return make.call("add", kind, p, c)

    return low.map(node.shape, node.dtype, fn, product, bias)


@handles("dot", "mv", "vdot")
def _dot(low: Lowering, node: Node, a: Value, b: Value) -> Value:
    return low.reduce("sum", binary(low, "mul", a, b), [len(a.shape) - 1], False, node.dtype)


def load_handlers() -> None:
    """Importing this module is what registers every handler; called for its effect of being imported."""
