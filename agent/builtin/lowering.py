"""From an operator graph to buffers and their definitions.

Pointwise operators and views are never stored: a value is a function from an index to an expression, and views
only transform the index. What must be stored (results, reductions, scans, windows, matrix products) becomes a
``Buffer`` with a definition; ``schedule`` decides which of them share a loop nest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.builtin.expr import KIND_OF, RANK, Buffer, Expr, Exprs, Kind
from agent.builtin.index import Index, Var, flatten, of, strides_of, unflatten

At = Callable[[list[Index]], Expr]


class Unsupported(Exception):
    """An operator outside the builtin model's families; the message names it."""


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor that may not exist in memory."""

    shape: tuple[int, ...]
    dtype: str
    at: At
    buffer: Buffer | None = None
    """Set when the value is that whole buffer, unchanged."""

    @property
    def kind(self) -> Kind:
        """What its elements are computed in."""
        return KIND_OF[self.dtype]

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Pointwise:
    """Definition: each element is an expression of its index."""

    value: Value


@dataclass(frozen=True)
class Reduce:
    """Definition: ``kind`` over ``dims`` of ``value``. The buffer's shape is that of ``value`` without ``dims``."""

    kind: str
    """sum, prod, amax, amin, argmax, argmin, any, all, mean_of, m2_of (sum of squared deviations)."""
    value: Value
    dims: tuple[int, ...]


@dataclass(frozen=True)
class Scan:
    """Definition: running ``sum``, ``prod``, ``amax`` or ``amin`` along ``dim``."""

    kind: str
    value: Value
    dim: int


@dataclass(frozen=True)
class Window:
    """Definition: ``amax`` or ``sum`` over sliding windows of the last ``len(kernel)`` dimensions."""

    kind: str
    value: Value
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    weight: Value | None = None
    """Of a convolution whose channels do not mix, which is a weighted ``sum``: (channels out, 1, *kernel)."""
    bias: Value | None = None
    """What such a sum starts with, a channel."""


@dataclass(frozen=True)
class Ragged:
    """Definition: ``kind`` of ``value`` rows between consecutive ``offsets`` (bags)."""

    kind: str
    value: Callable[[Index, Index], Expr]
    """(position in the flat list, column) to element."""
    offsets: Value
    total: int
    include_last: bool


@dataclass(frozen=True)
class Strided:
    """A strided view of a buffer, as torch.as_strided takes it."""

    buffer: Buffer
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class External:
    """Definition: a call into torch's BLAS: ``mm``, ``bmm``, ``addmm`` or ``baddbmm``, or as ``template`` spells it."""

    op: str
    args: tuple[Strided, ...]
    template: str = ""
    """Python of another call, with places for ``args``."""
    options: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class NotComputed:
    """Stands for a result that a handler gave as None; nothing may depend on it."""

    node: str


@dataclass(frozen=True)
class Node:
    """One node of the operator graph."""

    name: str
    op: str
    overload: str
    shape: tuple[int, ...]
    dtype: str
    results: tuple[Any, ...]


Handler = Callable[..., Any]
HANDLERS: dict[str, Handler] = {}


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register a handler: ``handler(lowering, node, *args, **kwargs)`` gives a Value or a list of them."""

    def register(handler: Handler) -> Handler:
        for name in names:
            HANDLERS[name] = handler
        return handler

    return register


class Lowering:
    """One pass over a graph. ``buffers`` come out in an order in which they can be computed."""

    def __init__(self, graph: dict[str, Any], foreign: Handler | None = None) -> None:
        self.foreign = foreign
        """What is done with an operator that has no handler; None refuses it."""
        self.exprs = Exprs()
        self.buffers: list[Buffer] = []
        self.inputs: list[Buffer] = []
        self.values: dict[str, Any] = {}
        self.other_inputs = 0
        """Arguments that are not tensors; they are as they were when the graph was read."""
        if graph.get("mutates"):
            raise Unsupported("it changes its inputs or buffers in place")
        for entry in graph["inputs"]:
            self._input(entry)
        for raw in graph["nodes"]:
            self._node(raw)
        self.outputs = self._tree(graph["outputs"])

    def _input(self, entry: dict[str, Any]) -> None:
        if "shape" not in entry:
            self.values[entry["name"]] = None
            self.other_inputs += 1
            return
        if entry["dtype"] not in KIND_OF:
            raise Unsupported(f"it has an input of dtype {entry['dtype']}")
        values = tuple(number(v) for v in entry["value"]) if "value" in entry else None
        buffer = Buffer(
            f"in{len(self.inputs)}", tuple(entry["shape"]), entry["dtype"], tuple(entry["stride"]),
            entry["kind"], entry["target"], None, values,
        )  # fmt: skip
        self.inputs.append(buffer)
        self.values[entry["name"]] = self.stored(buffer)

    def _node(self, raw: dict[str, Any]) -> None:
        op, _, overload = raw["op"].removeprefix("aten.").partition(".")
        if raw["op"] == "getitem":
            source, position = raw["args"]
            part = self._resolve(source)[position]
            self.values[raw["name"]] = part if part is not None else NotComputed(source["ref"])
            return
        handler = HANDLERS.get(op, self.foreign)
        if handler is None:
            raise Unsupported(raw["op"])
        node = Node(
            raw["name"],
            op,
            overload,
            tuple(raw.get("shape", ())),
            raw.get("dtype", ""),
            tuple(raw.get("results", ())),
        )
        if node.dtype and node.dtype not in KIND_OF:
            raise Unsupported(f"{raw['op']} with dtype {node.dtype}")
        args = [self._resolve(a) for a in raw["args"]]
        kwargs = {k: self._resolve(v) for k, v in raw["kwargs"].items()}
        self.values[raw["name"]] = handler(self, node, *args, **kwargs)

    def _resolve(self, arg: Any) -> Any:
        if isinstance(arg, dict):
            if "ref" in arg:
                return self._computed(arg["ref"])
            return number(arg)
        if isinstance(arg, list):
            return [self._resolve(a) for a in arg]
        return arg

    def _computed(self, name: str) -> Any:
        value = self.values[name]
        if isinstance(value, NotComputed):
            raise Unsupported(f"it uses a result of {value.node} that is not computed (positions of maxima, say)")
        return value

    def _tree(self, tree: Any) -> Any:
        if "ref" in tree:
            return {"buffer": self.store(self._computed(tree["ref"])).buffer}
        if "value" in tree:
            return tree
        if "dict" in tree:
            return {"dict": {k: self._tree(v) for k, v in tree["dict"].items()}}
        kind = "tuple" if "tuple" in tree else "list"
        return {kind: [self._tree(t) for t in tree[kind]]}

    # Values

    def stored(self, buffer: Buffer) -> Value:
        """The value that a buffer holds."""

        def at(index: list[Index]) -> Expr:
            offset = Index()
            for part, stride, size in zip(index, buffer.strides, buffer.shape, strict=True):
                offset = offset + part * (stride if size > 1 else 0)
            return self.exprs.load(buffer, offset)

        return Value(buffer.shape, buffer.dtype, at, buffer)

    def define(self, shape: Sequence[int], dtype: str, definition: Any) -> Value:
        """A new buffer with a definition."""
        buffer = Buffer(f"mem{len(self.buffers)}", tuple(shape), dtype, strides_of(tuple(shape)), definition=definition)
        self.buffers.append(buffer)
        return self.stored(buffer)

    def store(self, value: Value) -> Value:
        """The value in memory, as its own contiguous buffer that the operator made."""
        if value.buffer is not None and value.buffer.origin == "computed":
            return value
        return self.define(value.shape, value.dtype, Pointwise(value))

    def strided(self, value: Value) -> Strided:
        """A view that torch can take; stores the value first where it is more than a view."""
        if (view := self.as_view(value)) is not None:
            return view
        stored = self.store(value)
        assert stored.buffer is not None
        return Strided(stored.buffer, stored.shape, stored.buffer.strides, 0)

    def as_view(self, value: Value) -> Strided | None:
        """The value as a view of one buffer; None where it is more than that."""
        loops = [Var(f"s{d}", size) for d, size in enumerate(value.shape)]
        expr = value.at([of(v) for v in loops])
        if expr.op == "load" and not expr.args:
            buffer, offset = expr.payload
            if offset.is_affine() and buffer.dtype == value.dtype:
                strides = tuple(offset.coefficient(v) for v in loops)
                if all(s >= 0 for s in strides):
                    return Strided(buffer, value.shape, strides, offset.const)
        return None

    def constant(self, value: float, shape: Sequence[int], dtype: str) -> Value:
        """The same number everywhere."""
        expr = self.exprs.const(value, KIND_OF[dtype])
        return Value(tuple(shape), dtype, lambda index: expr)

    def map(self, shape: Sequence[int], dtype: str, fn: Callable[..., Expr], *args: Any) -> Value:
        """Pointwise: ``fn`` of the arguments' elements, broadcast to ``shape``. Numbers are passed through."""
        parts = [self.expand(a, shape) if isinstance(a, Value) else a for a in args]

        def at(index: list[Index]) -> Expr:
            return fn(*(p.at(index) if isinstance(p, Value) else p for p in parts))

        return Value(tuple(shape), dtype, at)

    def expand(self, value: Value, shape: Sequence[int]) -> Value:
        """Broadcast by torch's rules."""
        if value.shape == tuple(shape):
            return value
        lead = len(shape) - len(value.shape)

        def at(index: list[Index]) -> Expr:
            own = index[lead:]
            return value.at([Index() if s == 1 else i for i, s in zip(own, value.shape, strict=True)])

        return Value(tuple(shape), value.dtype, at)

    def view(self, value: Value, shape: Sequence[int], to: Callable[[list[Index]], list[Index]]) -> Value:
        """A value whose elements are those of another at a transformed index."""
        return Value(tuple(shape), value.dtype, lambda index: value.at(to(index)))

    def reshape(self, value: Value, shape: Sequence[int]) -> Value:
        """Same elements in row-major order, another shape."""
        target = tuple(shape)
        if target == value.shape:
            return value
        return self.view(value, target, lambda index: unflatten(flatten(index, target), value.shape))

    def cast(self, value: Value, dtype: str) -> Value:
        """Elements converted."""
        if value.dtype == dtype:
            return value
        kind = KIND_OF[dtype]
        return Value(value.shape, dtype, lambda index: self.exprs.cast(value.at(index), kind))

    def reduce(self, kind: str, value: Value, dims: Sequence[int], keepdim: bool, dtype: str) -> Value:
        """A reduction, stored; ``dims`` empty means all."""
        axes = normalised(dims, len(value.shape)) or tuple(range(len(value.shape)))
        if value.numel == 0:
            raise Unsupported("it reduces an empty tensor")
        if all(value.shape[d] == 1 for d in axes):
            return self._of_one(kind, value, axes, keepdim, dtype)
        kept = tuple(s for d, s in enumerate(value.shape) if d not in axes)
        result = self.define(kept, dtype, Reduce(kind, value, axes))
        if not keepdim:
            return result
        shape = tuple(1 if d in axes else s for d, s in enumerate(value.shape))
        return self.view(result, shape, lambda index: [i for d, i in enumerate(index) if d not in axes])

    def _of_one(self, kind: str, value: Value, axes: tuple[int, ...], keepdim: bool, dtype: str) -> Value:
        """A reduction over dimensions of size one is the element itself."""
        shape = tuple(1 if d in axes else s for d, s in enumerate(value.shape) if keepdim or d not in axes)
        if kind in ("m2_of", "argmax", "argmin"):
            return self.constant(0, shape, dtype)
        return self.cast(self.reshape(value, shape), dtype)


def number(raw: Any) -> Any:
    """A number or dtype as the graph spells it."""
    if isinstance(raw, dict):
        if "float" in raw:
            return float(raw["float"])
        if "dtype" in raw:
            return raw["dtype"]
        return raw.get("other")  # a device, a layout, a memory format: the same everywhere here
    return raw


def normalised(dims: Any, rank: int) -> tuple[int, ...]:
    """Dimensions counted from the front, sorted."""
    if dims is None:
        return ()
    raw = [dims] if isinstance(dims, int) else list(dims)
    return tuple(sorted(d % rank if rank else 0 for d in raw)) if rank else ()


def promoted(args: Sequence[Any]) -> Kind:
    """Kind in which a mixed comparison or operation is computed."""
    kinds: list[Kind] = [a.kind for a in args if isinstance(a, Value)]
    tensors: Kind = max(kinds, key=RANK.__getitem__, default="b8")
    for a in args:
        if isinstance(a, float) and RANK[tensors] < RANK["f32"]:
            tensors = "f32"
        elif isinstance(a, int) and not isinstance(a, bool) and tensors == "b8":
            tensors = "i64"
    return tensors
