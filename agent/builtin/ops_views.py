"""Views, copies of parts, and reads through index tensors: all of them transform the index."""

from __future__ import annotations

from typing import Any

from agent.builtin.expr import KIND_OF, Expr
from agent.builtin.index import Index, Indirect, of
from agent.builtin.lowering import Lowering, Node, Unsupported, Value, handles


@handles("view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze")
def _reshape(low: Lowering, node: Node, x: Value, *_: Any) -> Value:
    return low.reshape(x, node.shape)


@handles("permute")
def _permute(low: Lowering, node: Node, x: Value, dims: list[int]) -> Value:
    order = [d % len(x.shape) for d in dims]
    return low.view(x, node.shape, lambda index: [index[order.index(d)] for d in range(len(order))])


@handles("t", "transpose", "numpy_T")
def _transpose(low: Lowering, node: Node, x: Value, a: int = 0, b: int = 1) -> Value:
    rank = len(x.shape)
    if rank < 2:
        return x
    a, b = a % rank, b % rank

    def to(index: list[Index]) -> list[Index]:
        swapped = list(index)
        swapped[a], swapped[b] = swapped[b], swapped[a]
        return swapped

    return low.view(x, node.shape, to)


@handles("expand", "broadcast_to")
def _expand(low: Lowering, node: Node, x: Value, *_: Any, **__: Any) -> Value:
    return low.expand(x, node.shape)


@handles("slice")
def _slice(
    low: Lowering, node: Node, x: Value, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Value:
    dim %= len(x.shape)
    size = x.shape[dim]
    first = 0 if start is None else min(max(start + size if start < 0 else start, 0), size)
    return low.view(x, node.shape, lambda index: [i * step + first if d == dim else i for d, i in enumerate(index)])


@handles("select")
def _select(low: Lowering, node: Node, x: Value, dim: int, position: int) -> Value:
    dim %= len(x.shape)
    fixed = of(position % x.shape[dim])
    return low.view(x, node.shape, lambda index: [*index[:dim], fixed, *index[dim:]])


@handles("split", "split_with_sizes", "chunk", "unbind")
def _split(low: Lowering, node: Node, x: Value, sizes: Any = None, dim: int = 0) -> list[Value]:
    if node.op == "unbind":
        dim = (sizes or 0) % len(x.shape)
        parts = []
        for position, facts in enumerate(node.results):
            fixed, axis = of(position), dim
            parts.append(_selected(low, x, facts["shape"], axis, fixed))
        return parts
    dim %= len(x.shape)
    parts, offset = [], 0
    for facts in node.results:
        shape = tuple(facts["shape"])
        first = offset
        parts.append(_shifted(low, x, shape, dim, first))
        offset += shape[dim]
    return parts


def _selected(low: Lowering, x: Value, shape: list[int], dim: int, position: Index) -> Value:
    return low.view(x, shape, lambda index: [*index[:dim], position, *index[dim:]])


def _shifted(low: Lowering, x: Value, shape: tuple[int, ...], dim: int, first: int) -> Value:
    return low.view(x, shape, lambda index: [i + first if d == dim else i for d, i in enumerate(index)])


@handles("flip")
def _flip(low: Lowering, node: Node, x: Value, dims: list[int]) -> Value:
    axes = {d % len(x.shape) for d in dims}
    return low.view(
        x,
        node.shape,
        lambda index: [i * -1 + (x.shape[d] - 1) if d in axes else i for d, i in enumerate(index)],
    )


@handles("roll")
def _roll(low: Lowering, node: Node, x: Value, shifts: Any, dims: Any = ()) -> Value:
    amounts = [shifts] if isinstance(shifts, int) else list(shifts)
    axes = [dims] if isinstance(dims, int) else list(dims)
    if not axes:
        flat = low.reshape(x, (x.numel,))
        rolled = low.view(flat, (x.numel,), lambda index: [(index[0] + (-amounts[0]) % x.numel).modulo(x.numel)])
        return low.reshape(rolled, node.shape)
    by = {d % len(x.shape): s for d, s in zip(axes, amounts, strict=True)}
    return low.view(
        x,
        node.shape,
        lambda index: [(i + (-by[d]) % x.shape[d]).modulo(x.shape[d]) if d in by else i for d, i in enumerate(index)],
    )


@handles("repeat")
def _repeat(low: Lowering, node: Node, x: Value, repeats: list[int]) -> Value:
    lead = len(repeats) - len(x.shape)
    return low.view(
        x,
        node.shape,
        lambda index: [i.modulo(s) if s > 1 else Index() for i, s in zip(index[lead:], x.shape, strict=True)],
    )


@handles("cat")
def _cat(low: Lowering, node: Node, parts: list[Value], dim: int = 0) -> Value:
    make, kind = low.exprs, KIND_OF[node.dtype]
    parts = [p for p in parts if p.numel]
    dim %= len(node.shape)
    bounds = [0]
    for part in parts:
        bounds.append(bounds[-1] + part.shape[dim])

    def at(index: list[Index]) -> Expr:
        result: Expr | None = None
        for position in range(len(parts) - 1, -1, -1):
            first, last = bounds[position], bounds[position + 1]
            if index[dim].bounds()[1] < first or index[dim].bounds()[0] >= last:
                continue
            inner = [i + (-first) if d == dim else i for d, i in enumerate(index)]
            inside = make.call("lt", "b8", make.index(index[dim]), make.const(last, "i64"))
            after = make.call("ge", "b8", make.index(index[dim]), make.const(first, "i64"))
            whole = make.call("and", "b8", after, inside)
            certain = index[dim].bounds()[0] >= first and index[dim].bounds()[1] < last
            if not certain:
                make.guards.append(whole)
            value = make.cast(parts[position].at(inner), kind)
            if not certain:
                make.guards.pop()
            result = value if result is None else make.where(whole, value, result)
        assert result is not None
        return result

    return Value(node.shape, node.dtype, at)


@handles("stack")
def _stack(low: Lowering, node: Node, parts: list[Value], dim: int = 0) -> Value:
    dim %= len(node.shape)
    wide = [low.reshape(p, (*p.shape[:dim], 1, *p.shape[dim:])) for p in parts]
    return _cat(low, node, wide, dim)  # type: ignore[no-any-return]


@handles("constant_pad_nd")
def _pad(low: Lowering, node: Node, x: Value, pads: list[int], fill: float = 0) -> Value:
    make, kind = low.exprs, KIND_OF[node.dtype]
    before = {len(x.shape) - 1 - k: pads[2 * k] for k in range(len(pads) // 2)}

    def at(index: list[Index]) -> Expr:
        inner = [i + (-before.get(d, 0)) for d, i in enumerate(index)]
        tests = []
        for i, size in zip(inner, x.shape, strict=True):
            low_, high = i.bounds()
            if low_ < 0:
                tests.append(make.call("ge", "b8", make.index(i), make.const(0, "i64")))
            if high >= size:
                tests.append(make.call("lt", "b8", make.index(i), make.const(size, "i64")))
        if not tests:
            return make.cast(x.at(inner), kind)
        inside = tests[0]
        for test in tests[1:]:
            inside = make.call("and", "b8", inside, test)
        make.guards.append(inside)
        value = make.cast(x.at(inner), kind)
        make.guards.pop()
        return make.where(inside, value, make.const(fill, kind))

    return Value(node.shape, node.dtype, at)


@handles("arange")
def _arange(low: Lowering, node: Node, *args: Any, **named: Any) -> Value:
    numbers = [a for a in args if isinstance(a, (int, float))]
    start, step = (
        (0, 1) if len(numbers) == 1 else (numbers[0], numbers[2] if len(numbers) > 2 else named.get("step", 1))
    )
    make, kind = low.exprs, KIND_OF[node.dtype]

    def at(index: list[Index]) -> Expr:
        if isinstance(start, int) and isinstance(step, int):
            return make.cast(make.index(index[0] * step + start), kind)
        scaled = make.call("mul", kind, make.cast(make.index(index[0]), kind), make.const(step, kind))
        return make.call("add", kind, scaled, make.const(start, kind))

    return Value(node.shape, node.dtype, at)


@handles("tril", "triu")
def _triangle(low: Lowering, node: Node, x: Value, diagonal: int = 0) -> Value:
    make, kind = low.exprs, KIND_OF[node.dtype]
    test = "le" if node.op == "tril" else "ge"

    def at(index: list[Index]) -> Expr:
        keep = make.call(test, "b8", make.index(index[-1]), make.index(index[-2] + diagonal))
        return make.where(keep, x.at(index), make.const(0, kind))

    return Value(node.shape, node.dtype, at)


@handles("diagonal")
def _diagonal(low: Lowering, node: Node, x: Value, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Value:
    a, b = dim1 % len(x.shape), dim2 % len(x.shape)

    def to(index: list[Index]) -> list[Index]:
        rest = iter(index[:-1])
        last = index[-1]
        return [
            last + max(-offset, 0) if d == a else last + max(offset, 0) if d == b else next(rest)
            for d in range(len(x.shape))
        ]

    return low.view(x, node.shape, to)


@handles("unfold")
def _unfold(low: Lowering, node: Node, x: Value, dim: int, _size: int, step: int) -> Value:
    dim %= len(x.shape)
    return low.view(
        x,
        node.shape,
        lambda index: [i * step + index[-1] if d == dim else i for d, i in enumerate(index[:-1])],
    )


# Reads through index tensors


def indirect(low: Lowering, value: Expr, size: int) -> Index:
    """An index read from a tensor: negative values count from the end."""
    return Index(((Indirect(low.exprs.call("wrap", "i64", value, low.exprs.const(size, "i64")), size), 1),))


@handles("embedding")
def _embedding(low: Lowering, node: Node, weight: Value, where: Value, *_: Any) -> Value:
    def at(index: list[Index]) -> Expr:
        return weight.at([indirect(low, where.at(index[:-1]), weight.shape[0]), index[-1]])

    return Value(node.shape, node.dtype, at)


@handles("index_select")
def _index_select(low: Lowering, node: Node, x: Value, dim: int, where: Value) -> Value:
    dim %= len(x.shape)

    def at(index: list[Index]) -> Expr:
        read = indirect(low, where.at([index[dim]] if where.shape else []), x.shape[dim])
        return x.at([read if d == dim else i for d, i in enumerate(index)])

    return Value(node.shape, node.dtype, at)


@handles("gather")
def _gather(low: Lowering, node: Node, x: Value, dim: int, where: Value, **_: Any) -> Value:
    dim = dim % len(x.shape) if x.shape else 0

    def at(index: list[Index]) -> Expr:
        read = indirect(low, where.at(index), x.shape[dim])
        return x.at([read if d == dim else i for d, i in enumerate(index)])

    return Value(node.shape, node.dtype, at)


@handles("take")
def _take(low: Lowering, node: Node, x: Value, where: Value) -> Value:
    flat = low.reshape(x, (x.numel,))
    return Value(node.shape, node.dtype, lambda index: flat.at([indirect(low, where.at(index), x.numel)]))


@handles("index", "_unsafe_index")
def _index(low: Lowering, node: Node, x: Value, indices: list[Value | None]) -> Value:
    used = [d for d, i in enumerate(indices) if i is not None]
    tensors = [i for i in indices if i is not None]
    if any(t.dtype == "bool" for t in tensors):
        raise Unsupported("indexing by a mask (its result has no fixed shape)")
    shape = _broadcast([t.shape for t in tensors])
    wide = [low.expand(t, shape) for t in tensors]
    together = used == list(range(used[0], used[0] + len(used)))
    first = used[0] if together else 0

    def at(index: list[Index]) -> Expr:
        lead = index[first : first + len(shape)]
        rest = iter([*index[:first], *index[first + len(shape) :]])
        reads = {d: indirect(low, t.at(lead), x.shape[d]) for d, t in zip(used, wide, strict=True)}
        return x.at([reads[d] if d in reads else next(rest) for d in range(len(x.shape))])

    return Value(node.shape, node.dtype, at)


def _broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    rank = max(len(s) for s in shapes)
    padded = [(1,) * (rank - len(s)) + s for s in shapes]
    return tuple(max(sizes) if 0 not in sizes else 0 for sizes in zip(*padded, strict=True))


@handles("slice_scatter")
def _slice_scatter(
    low: Lowering,
    node: Node,
    x: Value,
    src: Value,
    dim: int = 0,
    start: Any = None,
    end: Any = None,
    step: int = 1,
) -> Value:
    make, kind = low.exprs, KIND_OF[node.dtype]
    dim %= len(x.shape)
    size = x.shape[dim]
    first = 0 if start is None else min(max(start + size if start < 0 else start, 0), size)
    if step != 1:
        raise Unsupported("writing to a strided slice")
    last = first + src.shape[dim]

    def at(index: list[Index]) -> Expr:
        position = make.index(index[dim])
        inside = make.call(
            "and", "b8", make.call("ge", "b8", position, make.const(first, "i64")),
            make.call("lt", "b8", position, make.const(last, "i64")),
        )  # fmt: skip
        make.guards.append(inside)
        new = make.cast(src.at([i + (-first) if d == dim else i for d, i in enumerate(index)]), kind)
        make.guards.pop()
        return make.where(inside, new, x.at(index))

    return Value(node.shape, node.dtype, at)


@handles("select_scatter")
def _select_scatter(low: Lowering, node: Node, x: Value, src: Value, dim: int, position: int) -> Value:
    dim %= len(x.shape)
    position %= x.shape[dim]
    wide = low.reshape(src, (*src.shape[:dim], 1, *src.shape[dim:]))
    return _slice_scatter(low, node, x, wide, dim, position, position + 1)  # type: ignore[no-any-return]
