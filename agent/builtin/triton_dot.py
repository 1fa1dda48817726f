"""Matrix products of 16-bit numbers on tensor cores, and many small ones of any, with everything that is computed from
them in the same kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.builtin import triton_text as text
from agent.builtin.cexpr import SIZE
from agent.builtin.expr import Buffer, Expr, walk
from agent.builtin.index import Var
from agent.builtin.lowering import External, Lowering, Pointwise, Strided
from agent.builtin.schedule import Call, Nest, Step, Traced, loads, same, trace
from agent.builtin.triton_layout import PROCESSORS
from agent.builtin.triton_nests import NARROW, Kernel
from agent.builtin.triton_plan import TritonPlan
from agent.builtin.triton_writing import TileWriter, decode
from agent.builtin.writing import indent

TENSOR_CORES = ("float16", "bfloat16")
SMALLEST = 16
"""Side of the smallest tile that tensor cores take."""
SMALL = 64
"""Longest side of the matrices of a batch that are multiplied here, each by one program: larger ones are left to BLAS,
which is good at them.
"""
THIN = 4
"""Times narrower and deeper is a tile where there are few rows."""
DEEPEST = 256
"""More, and the stages of such a tile of 64 rows do not fit into shared memory."""
GROUP = 8
"""Tiles of one column of tiles that follow each other, so that both operands are found in the cache."""


@dataclass(frozen=True)
class Product:
    """A product and the one nest that reads it."""

    call: Buffer
    traced: Traced


def is_ours(product: Buffer) -> bool:
    """Whether a kernel of ours may be as quick as BLAS."""
    op, args = product.definition.op, product.definition.args
    if op == "bmm":
        kinds = (*TENSOR_CORES, "float32")
        return all(view.buffer.dtype in kinds and max(view.shape[1:]) <= SMALL for view in args)
    return op == "mm" and all(view.buffer.dtype in TENSOR_CORES for view in args)


def give_products_readers(low: Lowering, outputs: list[Buffer]) -> dict[Buffer, Buffer]:
    """By product that is a result itself, a copy of it: what has a reader is computed in that one's kernel."""
    found = {}
    for product in dict.fromkeys(outputs):
        if isinstance(product.definition, External) and is_ours(product) and 1 not in product.shape:
            copy = low.define(product.shape, product.dtype, Pointwise(low.stored(product))).buffer
            assert copy is not None
            found[product] = copy
    return found


def fused_products(
    low: Lowering, steps: list[Step], traced: list[Traced | None], outputs: list[Buffer]
) -> dict[int, Product]:
    """By the number of a nest's step: the product that is computed in that nest's kernel."""
    found: dict[int, Product] = {}
    for step in steps:
        if not isinstance(step, Call) or step.buffer in outputs:
            continue
        product = step.buffer
        if not is_ours(product):
            continue
        readers = [n for n, nest in enumerate(traced) if nest is not None and product in loads([*nest.exprs.values()])]
        called = any(v.buffer is product for s in steps if isinstance(s, Call) for v in s.buffer.definition.args)
        special = any(product in loads([*nest.exprs.values()]) for nest in traced if nest and nest.nest.special)
        if called or special or len(readers) != 1:
            continue
        again = _retraced(low, steps[readers[0]], product)
        if again is not None:
            found[readers[0]] = Product(product, again)  # of several products the last, which all others precede
    return found


def _retraced(low: Lowering, step: Step, product: Buffer) -> Traced | None:
    """The nest with the product's matrices, rows and columns as its loops; None where it reads the product any other
    way.
    """
    if isinstance(step, Call) or step.has_reduction or step.special is not None or 1 in product.shape:
        return None
    if step.numel != product.numel:
        return None
    traced = trace(low, Nest(tuple((size, False) for size in product.shape), step.members))
    if traced is None:
        return None
    reads = [n for n in walk(list(traced.exprs.values())) if n.op == "load" and n.payload[0] is product]
    return traced if all(same(n.payload[1], traced.flat) and not n.args for n in reads) else None


class DotKernel:
    """Writes the kernel of a product."""

    def __init__(self, product: Product, stored: set[Buffer], plan: TritonPlan, name: str) -> None:
        self.product, self.plan, self.name = product, plan, name
        self.traced = product.traced
        self.written = [b for b, _ in self.traced.nest.members if b in stored]
        self.left, self.right = product.call.definition.args
        *batch, self.m, self.k = self.left.shape
        self.n = self.right.shape[-1]
        self.count = batch[0] if batch else 0
        """Of matrices; 0 for one that is no batch."""
        self.bm, self.bn, self.bk = self._tile()

    def _tile(self) -> tuple[int, int, int]:
        sides = [SMALLEST << int(digit) for digit in f"{self.plan.dot:03d}"]
        if self._is_thin():
            sides[1:] = sides[1] // THIN, min(sides[2] * THIN, DEEPEST)
        tile = [min(side, max(SMALLEST, _up(size))) for side, size in zip(sides, (self.m, self.n, self.k), strict=True)]
        least = PROCESSORS / max(1, self.count)
        while -(-self.m // tile[0]) * -(-self.n // tile[1]) < least and tile[0] * tile[1] > 64 * 64:
            larger = 0 if tile[0] >= tile[1] else 1
            tile[larger] //= 2
        return tile[0], tile[1], tile[2]

    def _is_thin(self) -> bool:
        """Whether a few rows meet a large matrix whose columns lie along memory: what takes the time is reading that,
        and many programs that read long runs have more of it under way.
        """
        return not self.count and self.m <= SMALL and self.right.strides[-2] == 1

    def write(self) -> Kernel:
        """The kernel."""
        which, rows, columns = (self._loops(axis) for axis in range(-3, 0))
        narrow = all(SIZE[b.dtype] <= 2 for b in self.written if b.kind in text.FLOATING)
        writer = TileWriter(frozenset(columns), frozenset(rows), precise=not (self.plan.fast and narrow))
        writer.row_mask = "rm" if self.m % self.bm else ""
        writer.tile_mask = "jm" if self.n % self.bn else ""
        every = frozenset([*which, *rows, *columns])
        for expr in walk(list(self.traced.exprs.values())):
            if expr.op == "load" and expr.payload[0] is self.product.call:
                writer.leaves[expr] = "acc"
        for buffer in self.written:
            self._store(writer, buffer, self.traced.exprs[buffer], writer.mask(every))
        places = [*decode(which, "q"), *decode(rows, "r"), *decode(columns, "j")]
        body = [*self._place(), *self._multiply(), *places, *writer.outer]
        operands = [self.left.buffer, self.right.buffer]
        used = list(dict.fromkeys([*operands, *writer.uses, *self.written]))
        checked = any("tl.device_assert" in line for line in body)
        options = {"num_warps": self._warps(), "num_stages": self.plan.stages}
        if checked:
            options["sanitize_overflow"] = 0
        arguments = [b.name for b in used]
        head = ["@triton.jit(debug=True)" if checked else "@triton.jit", f"def {self.name}({', '.join(arguments)}):"]
        grid = (max(1, self.count) * -(-self.m // self.bm) * -(-self.n // self.bn),)
        return Kernel(self.name, [*head, *indent(body, 4)], grid, arguments, options, {}, used)

    def _loops(self, axis: int) -> list[Var]:
        """Those of an axis of the product, counted from the last; none for the first of three where it has two."""
        number = axis + len(self.product.call.shape)
        return [loop.var for loop in self.traced.loops if loop.var.name.startswith(f"i{number}")] if number >= 0 else []

    def _warps(self) -> int:
        if self.count and self.bm * self.bn <= SMALL * SMALL:
            return 1 if self.bm * self.bn < SMALL * SMALL else 2
        return 8 if self.bm * self.bn >= 128 * 128 else 4

    def _store(self, writer: TileWriter, buffer: Buffer, expr: Expr, mask: str) -> None:
        masked = f", mask={mask}" if mask else ""
        at = f"q * {self.m * self.n} + r * {self.n} + j" if self.count else f"r * {self.n} + j"
        writer.outer.append(f"tl.store({buffer.name} + ({at}), {writer.emit(expr)}{masked})")

    def _place(self) -> list[str]:
        """Which tile of the result this program has."""
        down, over = -(-self.m // self.bm), -(-self.n // self.bn)
        reach = [b.numel for b in (self.left.buffer, self.right.buffer, *self.written)]
        wide = ".to(tl.int64)" if max(reach) + self.bm * max(self.n, self.k) >= NARROW else ""
        if self.count:
            first = [f"q = (tl.program_id(0) // {down * over}){wide}", f"program = tl.program_id(0) % {down * over}"]
        else:
            first = ["program = tl.program_id(0)"]
        return [
            *first,
            f"group = program // {GROUP * over} * {GROUP}",
            f"height = tl.minimum({down} - group, {GROUP})",
            f"place = program % {GROUP * over}",
            f"r = (group + place % height){wide} * {self.bm} + tl.arange(0, {self.bm})[:, None]",
            f"j = (place // height){wide} * {self.bn} + tl.arange(0, {self.bn})[None, :]",
            *([f"rm = r < {self.m}"] if self.m % self.bm else []),
            *([f"jm = j < {self.n}"] if self.n % self.bn else []),
        ]

    def _multiply(self) -> list[str]:
        a, b = self.left, self.right
        deep = self.k % self.bk != 0
        masks = [
            ["rm"] if self.m % self.bm else [],
            ["jm"] if self.n % self.bn else [],
        ]
        if deep:
            masks[0].append(f"(d[None, :] < {self.k} - o)")
            masks[1].append(f"(d[:, None] < {self.k} - o)")
        masked = [f", mask={' & '.join(m)}, other=0" if m else "" for m in masks]
        exact = "" if a.buffer.dtype in TENSOR_CORES else ', input_precision="ieee"'
        return [
            f"d = tl.arange(0, {self.bk})",
            f"a_at = {_address(a, 'r', 'd[None, :]')}",
            f"b_at = {_address(b, 'd[:, None]', 'j')}",
            f"acc = tl.zeros(({self.bm}, {self.bn}), tl.float32)",
            f"for o in range(0, {self.k}, {self.bk}):",
            f"    a = tl.load(a_at{masked[0]})",
            f"    b = tl.load(b_at{masked[1]})",
            f"    acc = tl.dot(a, b, acc{exact})",
            f"    a_at += {self.bk * a.strides[-1]}",
            f"    b_at += {self.bk * b.strides[-2]}",
        ]


def _address(view: Strided, row: str, column: str) -> str:
    offset = f" + {view.offset}" if view.offset else ""
    which = f"q * {view.strides[0]} + " if len(view.shape) == 3 else ""
    return f"{view.buffer.name} + ({which}{row} * {view.strides[-2]} + {column} * {view.strides[-1]}{offset})"


def _up(size: int) -> int:
    return 1 << max(size - 1, 0).bit_length()
