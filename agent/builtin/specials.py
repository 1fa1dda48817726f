"""C++ for nests that are not plain reductions: sliding windows, running sums, products and extremes, ragged bags."""

from __future__ import annotations

import math
from collections.abc import Callable

from agent.builtin import cexpr
from agent.builtin.expr import Buffer
from agent.builtin.index import Index, Var, of, unflatten
from agent.builtin.lowering import Ragged, Scan, Window
from agent.builtin.nests import Along, NestCode, worksharing
from agent.builtin.plan import Plan
from agent.builtin.schedule import Traced, row_major
from agent.builtin.writing import indent


def write_special(
    traced: Traced, stored: set[Buffer], plan: Plan, threads: int, name: str
) -> tuple[list[str], set[Buffer]]:
    """C++ function of a nest around a scan, window or bag, and the buffers it touches."""
    code = NestCode(traced, stored, plan, threads)
    special = traced.nest.special
    assert special is not None
    definition = special.definition
    if isinstance(definition, Window):
        body = _window(code, special, definition)
    elif isinstance(definition, Scan):
        body = _scan(code, special, definition)
    else:
        body = _ragged(code, special, definition)
    text = [*code.header(name), *indent(body), "  if (bad) *status = 1;", "}"]
    return text, code.writer.uses | code.outputs


def _result(code: NestCode, special: Buffer, text: str) -> None:
    """How the special value at the current point is read."""
    every = frozenset(loop.var for loop in code.traced.loops if loop.var.size > 1)
    code.writer.leaves[code.traced.maker.result(special, every)] = (99, text)


def _finish(code: NestCode, special: Buffer, text: str, along: Along) -> tuple[list[str], list[str]]:
    """Write the special value and what is computed from it; the lines that belong before and after the loop."""
    before, after = [], []
    _result(code, special, text)
    for buffer, role in code.traced.nest.members:
        if buffer in code.stored and role in ("special", "full"):
            value = text if role == "special" else code.writer.emit(code.exprs[buffer])
            start, end = code.store_along(buffer, value, along)
            before += start
            after += end
    return before, after


def _loop(
    code: NestCode, var: Var, fill: Callable[[], tuple[list[str], list[str]] | None], size: int | None = None
) -> list[str]:
    """A vectorised loop with statements hoisted in front of it; ``fill`` gives what belongs around it."""
    w = code.writer
    w.open(var)
    before, after = fill() or ([], [])
    body = w.close()
    head = ["#pragma omp simd", f"for (int64_t {var.name} = 0; {var.name} < {size or var.size}; ++{var.name}) {{"]
    return [*w.take(), *before, *head, *indent(body), "}", *after]


def _whole(var: Var) -> Along:
    """A loop through all of ``var``."""
    return Along(var, var.name, "0", str(var.size), var.size)


def _window(code: NestCode, special: Buffer, window: Window) -> list[str]:
    """Down the columns first, in memory order, then along the row: each element is read once a window row."""
    w, rank = code.writer, len(window.kernel)
    loops = code.traced.loops
    outer, last = [loop.var for loop in loops[:-1]], loops[-1].var
    spatial = window.value.shape[-rank:]
    lead_shape = window.value.shape[:-rank]
    lead = row_major([loop.var for loop in loops[:-rank]])
    kind = cexpr.C_KIND[special.kind]
    start = (
        "0"
        if window.kind == "sum"
        else "INT64_MIN"
        if kind == "int64_t"
        else f"(-__builtin_inf{'f' if kind == 'float' else ''}())"
    )
    width = max(spatial[-1] + 2 * window.padding[-1],
                (last.size - 1) * window.stride[-1] + (window.kernel[-1] - 1) * window.dilation[-1] + 1)  # fmt: skip
    w.open(*outer)
    rows = [Var(f"y{d}", size) for d, size in enumerate(spatial[:-1])]
    column = Var("yc", spatial[-1])
    for var in rows:
        w.open(var)
    where = [*unflatten(lead, lead_shape), *(of(v) for v in rows), of(column)]

    def fold() -> None:
        value = w.emit(window.value.at(where))
        at = f"buf[{column.name} + {window.padding[-1]}]"
        w.line(_fold(window.kind, at, value, kind))

    body = _loop(code, column, fold)
    for d in reversed(range(rank - 1)):
        hoisted = w.close()
        source = (
            f"{loops[len(loops) - rank + d].var.name} * {window.stride[d]}"
            if loops[len(loops) - rank + d].var.size > 1
            else "0"
        )
        position = f"{source} - {window.padding[d]} + k{d} * {window.dilation[d]}"
        body = [
            f"for (int64_t k{d} = 0; k{d} < {window.kernel[d]}; ++k{d}) {{",
            f"  const int64_t y{d} = {position};",
            f"  if (y{d} < 0 || y{d} >= {spatial[d]}) continue;",
            *indent(hoisted + body), "}",
        ]  # fmt: skip
    head = w.take()
    ending = _loop(code, last, lambda: _finish(code, special, f"res[{last.name}]", _whole(last)), last.size)
    w.close()
    lines = [
        *code.unit_decode(outer, "o"), *head,
        f"for (int64_t i = 0; i < {width}; ++i) buf[i] = {start};",
        *body, *_along_row(window, last, start, kind), *ending,
    ]  # fmt: skip
    arrays = {"buf": f"{kind}[{width}]", "res": f"{kind}[{last.size}]"}
    return worksharing(code, math.prod(v.size for v in outer), lines, [], arrays)


def _along_row(window: Window, last: Var, start: str, kind: str) -> list[str]:
    """Windows of one row, from the columns folded in ``buf``."""
    return [
        f"for (int64_t i = 0; i < {last.size}; ++i) res[i] = {start};",
        f"for (int64_t k = 0; k < {window.kernel[-1]}; ++k) {{",
        "  #pragma omp simd",
        f"  for (int64_t i = 0; i < {last.size}; ++i) {{",
        f"    const {kind} e = buf[i * {window.stride[-1]} + k * {window.dilation[-1]}];",
        f"    {_fold(window.kind, 'res[i]', 'e', kind)}",
        "  }", "}",
    ]  # fmt: skip


def _fold(kind: str, at: str, value: str, element: str) -> str:
    if kind == "sum":
        return f"{at} += {value};"
    nan = f" || {value} != {value}" if element in ("float", "double") else ""
    return f"{at} = ({value} > {at}{nan}) ? {value} : {at};"


def _scan(code: NestCode, special: Buffer, scan: Scan) -> list[str]:
    w = code.writer
    *lead, along, across = [loop.var for loop in code.traced.loops]
    wide = "int64_t" if special.kind == "i64" else "double"
    start, combine = _running(scan.kind, wide)
    value = scan.value.at(unflatten(code.traced.flat, scan.value.shape))
    narrow = "" if special.kind in ("i64", "f64") else "(float)"
    if across.size == 1:
        return _scan_rows(code, special, lead, along, value, (wide, start, combine, narrow))
    tile = min(code.plan.tile, across.size)
    tiles = -(-across.size // tile)
    w.open(*lead)
    w.open(along)

    w.open(across)
    w.line(f"const {wide} next = ({wide}){w.emit(value)};")
    w.line(f"carry[t] = {combine.format('carry[t]', 'next')};")
    before, after = _finish(code, special, f"{narrow}carry[t]", Along(across, "t", "t0", "m", tile))
    body = w.close()
    hoisted = w.close()
    head = w.close()
    lines = [
        *code.unit_decode([*lead, Var("blk", tiles)], "o"),
        f"const int64_t t0 = {f'blk * {tile}' if tiles > 1 else '0'};",
        f"const int64_t m = {across.size} - t0 < {tile} ? {across.size} - t0 : {tile};",
        *head,
        f"alignas(64) {wide} carry[{tile}];",
        f"for (int64_t t = 0; t < m; ++t) carry[t] = {start};",
        f"for (int64_t {along.name} = 0; {along.name} < {along.size}; ++{along.name}) {{",
        *indent(hoisted + before),
        "  #pragma omp simd",
        "  for (int64_t t = 0; t < m; ++t) {",
        f"    const int64_t {across.name} = t0 + t;",
        *indent(body, 4),
        "  }",
        *indent(after),
        "}",
    ]  # fmt: skip
    return worksharing(code, tiles * math.prod(v.size for v in lead), lines, [], {})


def _running(kind: str, wide: str) -> tuple[str, str]:
    """What a running value starts from, and how two of them are joined; NaN wins, as in torch."""
    if kind in ("sum", "prod"):
        return ("0", "({} + {})") if kind == "sum" else ("1", "({} * {})")
    low, high = ("INT64_MIN", "INT64_MAX") if wide == "int64_t" else ("-__builtin_inf()", "__builtin_inf()")
    nan = " | ({1} != {1})" if wide == "double" else ""
    return (low, f"((({{1}} > {{0}}){nan}) ? {{1}} : {{0}})") if kind == "amax" else (
        high, f"((({{1}} < {{0}}){nan}) ? {{1}} : {{0}})")  # fmt: skip


def _scan_rows(
    code: NestCode, special: Buffer, lead: list[Var], along: Var, value: object, words: tuple[str, str, str, str]
) -> list[str]:
    w, block = code.writer, max(64, code.plan.block // 4)  # elements are doubles, and pass the nearest cache thrice
    wide, start, combine, narrow = words
    w.open(*lead)

    def part(fill: Callable[[], tuple[list[str], list[str]] | None]) -> list[str]:
        w.open(along)
        before, after = fill() or ([], [])
        body = w.close()
        position = [f"  const int64_t {along.name} = r0 + j;"] if along.size > 1 else []
        loop = ["#pragma omp simd", "for (int64_t j = 0; j < m; ++j) {", *position, *indent(body), "}"]
        return [*before, *loop, *after]

    read = part(lambda: w.line(f"x[j] = ({wide}){w.emit(value)};"))  # type: ignore[arg-type]
    ending = part(lambda: _finish(code, special, f"{narrow}x[j]", Along(along, "j", "r0", "m", block)))
    head = w.close()
    lines = [
        *code.unit_decode(lead, "o"), *head,
        f"{wide} carry = {start};",
        f"for (int64_t r0 = 0; r0 < {along.size}; r0 += {block}) {{",
        f"  const int64_t m = {along.size} - r0 < {block} ? {along.size} - r0 : {block};",
        f"  alignas(64) {wide} x[{block}];",
        *indent(read),
        f"  kw_scan_block(x, m, carry, ({wide}){start}, [](auto a, auto b) {{ return {combine.format('a', 'b')}; }});",
        *indent(ending),
        "}",
    ]  # fmt: skip
    return worksharing(code, math.prod(v.size for v in lead), lines, [], {})


def _ragged(code: NestCode, special: Buffer, bags: Ragged) -> list[str]:
    w = code.writer
    bag, column = (loop.var for loop in code.traced.loops)
    kind = cexpr.C_KIND[special.kind]
    count = bags.offsets.shape[0]
    position = Var("q", max(bags.total, 2))
    w.open(bag)
    first = w.emit(bags.offsets.at([of(bag)]))
    head = w.take()
    after = Var("bag1", bag.size + 1)
    w.depth[after] = len(w.levels) - 1
    following = w.emit(bags.offsets.at([Index(((after, 1),))]))
    next_lines = w.take()
    w.open(position)

    def fold() -> None:
        value = w.emit(bags.value(Index(((position, 1),)), of(column)))
        w.line(_fold("sum" if bags.kind in ("sum", "mean") else "amax", f"acc[{_name(column)}]", value, kind))

    body = _loop(code, column, fold)
    hoisted = w.close()
    start = "0" if bags.kind != "amax" else "(-__builtin_inff())" if kind == "float" else "(-__builtin_inf())"

    def finish() -> tuple[list[str], list[str]]:
        text = f"acc[{_name(column)}]"
        if bags.kind == "mean":
            text = f"(hi > lo ? {text} / ({kind})(hi - lo) : {text})"
        elif bags.kind == "amax":
            text = f"(hi > lo ? {text} : ({kind})0)"
        return _finish(code, special, text, _whole(column))

    ending = _loop(code, column, finish)
    w.close()
    last = f"{_name(bag)} + 1 < {count}" if not bags.include_last else "true"
    lines = [
        *code.unit_decode([bag], "o"), *head,
        f"int64_t hi = {bags.total};",
        f"if ({last}) {{ const int64_t bag1 = {_name(bag)} + 1;", *indent(next_lines), f"  hi = {following}; }}",
        f"const int64_t lo = {first};",
        f"if (lo < 0 || hi > {bags.total} || lo > hi) {{ bad = 1; hi = lo; }}",
        f"for (int64_t c = 0; c < {column.size}; ++c) acc[c] = {start};",
        "for (int64_t q = lo; q < hi; ++q) {", *indent(hoisted + body), "}",
        *ending,
    ]  # fmt: skip
    return worksharing(code, bag.size, lines, [], {"acc": f"{kind}[{column.size}]"})


def _name(var: Var) -> str:
    return var.name if var.size > 1 else "0"
