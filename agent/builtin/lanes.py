"""Lanes: neighbouring rows side by side. Reductions across memory, vectorised over the rows."""

from __future__ import annotations

import math
from collections.abc import Callable

from agent.builtin import cexpr
from agent.builtin.expr import Expr, walk
from agent.builtin.index import Indirect, Var
from agent.builtin.nests import (
    SCRATCH_BYTES,
    SMALL,
    Along,
    NestCode,
    close_thread,
    scratch_arrays,
    set_results,
    spanning,
    worksharing,
)
from agent.builtin.schedule import Loop, row_major
from agent.builtin.writing import Writer, indent

ONCE = 4
"""Times the plan's tile, where there is one pass only."""
LONGEST = 2048


def write_lanes(code: NestCode, kept: list[Loop], reduced: list[Loop]) -> list[str]:
    """Neighbouring rows side by side: reductions across memory, vectorised over the rows."""
    w = code.writer
    lane, outer = kept[-1].var, kept[:-1]
    inner_size = math.prod(loop.var.size for loop in reduced)
    # Where each element is read once, longer stretches of memory are better than what fits the nearest cache.
    rows = math.prod(loop.var.size for loop in outer)
    tile = min(code.plan.tile, lane.size)
    longer = min(code.plan.tile * ONCE, lane.size)
    if len(code.passes) == 1 and -(-lane.size // longer) * rows >= 2 * code.threads:
        tile = longer
    tiles = -(-lane.size // tile)
    units = tiles * rows
    splittable = len(code.passes) == 1 and not code.passes[0].stores and not code.passes[0].globals
    splittable = splittable and all(r.kind != "moments" for r in code.passes[0].reducers) and not code.row_globals
    share = splittable and (units < 2 * code.threads or code.plan.split) and code.traced.nest.numel >= SMALL
    if share:
        tile = min(LONGEST, lane.size)
        tiles = -(-lane.size // tile)
        units = tiles * math.prod(loop.var.size for loop in outer)
    room = inner_size * tile
    w.open(*(loop.var for loop in outer))
    lines: list[str] = []
    for number in range(len(code.passes)):
        lines += _lane_pass(code, number, reduced, lane, tile, room, share)
        set_results(code, number, 99, "[t]")
        lines += _lane_row_values(code, number, lane, tile)
    lines += _lane_loop(code, lane, lambda: _lane_row_stores(code), simd=not code.row_globals)
    w.close()
    decode = [
        *code.unit_decode([*outer, Loop(Var("blk", tiles), False)], "o"),
        f"const int64_t t0 = {f'blk * {tile}' if tiles > 1 else '0'};",
        f"const int64_t m = {lane.size} - t0 < {tile} ? {lane.size} - t0 : {tile};",
    ]
    body = decode + lines
    if share:
        return [*w.levels[0].lines, f"for (int64_t o = 0; o < {units}; ++o) {{", *indent(body), "}"]
    return worksharing(code, units, body, spanning(code), scratch_arrays(code, room))


def _lane_loop(code: NestCode, lane: Var, fill: Callable[[], None], clauses: str = "", simd: bool = True) -> list[str]:
    """A vectorised loop over lanes; ``fill`` writes its statements."""
    w = code.writer
    w.open(lane)
    fill()
    body = w.close()
    if not body:
        return []
    pragma = [f"#pragma omp simd {clauses}".rstrip()] if simd else []
    head = [*pragma, "for (int64_t t = 0; t < m; ++t) {"]
    return [*w.take(), *head, f"  const int64_t {lane.name} = t0 + t;", *indent(body), "}"]


def _lane_arrays(code: NestCode, number: int, tile: int, prefix: str = "") -> list[str]:
    lines = []
    for reducer in code.passes[number].reducers:
        for kind, name, value in reducer.lane_fields():
            lines.append(f"alignas(64) {kind} {prefix}{name}[{tile}];")
            lines.append(f"for (int64_t t = 0; t < m; ++t) {prefix}{name}[t] = {value};")
    return lines


def _lane_pass(
    code: NestCode, number: int, reduced: list[Loop], lane: Var, tile: int, room: int, share: bool
) -> list[str]:
    w, step = code.writer, code.passes[number]
    for loop in reduced:
        w.open(loop.var)
    position = cexpr.index_text(row_major([loop.var for loop in reduced]), {})
    where = f"({position}) * {tile} + t"
    new_scratch: list[tuple[Expr, str]] = []
    staged: list[str] = []
    streamed: list[str] = []

    def fill() -> None:
        for reducer in step.reducers:
            for line in reducer.lane_step(w.emit(reducer.expr), position):
                w.line(line)
        if step.globals:
            w.line("const int64_t j = t; (void)j;")
        for reducer in step.globals:
            value = w.emit(reducer.expr)
            for line in reducer.step(value):
                w.line(line)
        inner = [loop.var for loop in reduced] + [lane]
        for expr in code.cacheable(number, inner, room * 8 if room * 8 <= SCRATCH_BYTES else SCRATCH_BYTES + 1):
            name = w.fresh("s")
            w.line(f"{name}[{where}] = {w.emit(expr)};")
            new_scratch.append((expr, name))
        for buffer in step.stores:
            along = Along(lane, "t", "t0", "m", tile)
            start, finish = code.store_along(buffer, w.emit(code.exprs[buffer]), along)
            staged.extend(start)
            streamed.extend(finish)

    clauses = " ".join(c for r in step.globals for c in r.clauses())
    body = _lane_loop(code, lane, fill, clauses)
    for expr, name in new_scratch:
        code.scratch[expr] = name
        w.leaves[expr] = (99, f"{name}[{where}]")
    before = [line for r in step.globals for line in r.block_start(tile)]
    after = [line for r in step.globals for line in r.block_end("0")]
    fetches = prefetches(w, [r.expr for r in step.reducers], reduced[-1].var, lane, tile)
    weights = [
        f"const double w{r.name} = 1.0 / (double)({position} + 1);" for r in step.reducers if r.kind == "moments"
    ]
    lines = [*fetches, *before, *staged, *weights, *body, *streamed, *after]
    for depth, loop in enumerate(reversed(reduced)):
        statements = w.close()
        var = loop.var
        outermost = depth == len(reduced) - 1
        head = f"for (int64_t {var.name} = 0; {var.name} < {var.size}; ++{var.name}) {{"
        pragma = ["#pragma omp for schedule(static)"] if share and outermost else []
        lines = [*pragma, head, *indent(statements + lines), "}"]
    if not share:
        return [*w.take(), *_lane_arrays(code, number, tile), *lines]
    return [*w.take(), *_lane_arrays(code, number, tile), *_lane_shared(code, number, tile, lines)]


def _lane_shared(code: NestCode, number: int, tile: int, lines: list[str]) -> list[str]:
    """Threads take parts of the rows, and fold their lanes one after the other."""
    private = _lane_arrays(code, number, tile)
    merges = []
    for reducer in code.passes[number].reducers:
        merges += reducer.lane_merge("O_")
    names = [name for r in code.passes[number].reducers for _, name, _ in r.lane_fields()]
    kinds = {name: kind for r in code.passes[number].reducers for kind, name, _ in r.lane_fields()}
    outer = [f"{kinds[n]} *const S_{n} = {n};" for n in names]
    fold = [m.replace("O_", "\0") for m in merges]
    swapped = []
    for text in fold:
        for name in names:
            text = text.replace(f"\0{name}[", f"\1{name}[")
        for name in names:
            text = text.replace(f" {name}[", f" S_{name}[").replace(f"({name}[", f"(S_{name}[")
            text = f"S_{text}" if text.startswith(f"{name}[") else text
        swapped.append(text.replace("\1", ""))
    return [
        *outer, code.parallel(code.traced.nest.numel), "{",
        "  int64_t bad = 0; (void)bad;",
        *indent(private), *indent(lines),
        "  for (int k_ = 0; k_ < omp_get_num_threads(); ++k_) {",
        "    if (k_ == omp_get_thread_num())",
        "      for (int64_t t = 0; t < m; ++t) {",
        *indent(swapped, 8),
        "      }",
        "    #pragma omp barrier",
        "  }",
        *close_thread(code),
        "}",
    ]  # fmt: skip


def _lane_row_values(code: NestCode, number: int, lane: Var, tile: int) -> list[str]:
    """Values of a row that later passes need at every point (1/sqrt(var) and the like): computed once a lane."""
    kept = {loop.var for loop in code.traced.loops if not loop.reduced}
    wanted: list[Expr] = []
    seen: set[Expr] = set()
    stack = code.later(number)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        has_result = any(n.op == "result" for n in walk([node]))
        if node.variables <= kept and has_result and node.op != "result":
            if (
                all(n.op != "result" or n in code.writer.leaves for n in walk([node]))
                and node not in code.writer.leaves
            ):
                wanted.append(node)
        else:
            stack.extend(node.args)
    if not wanted:
        return []
    names = [code.writer.fresh("x") for _ in wanted]

    def fill() -> None:
        for node, name in zip(wanted, names, strict=True):
            code.writer.line(f"{name}[t] = {code.writer.emit(node)};")

    declared = [f"alignas(64) {cexpr.C_KIND[n.kind]} {name}[{tile}];" for n, name in zip(wanted, names, strict=True)]
    lines = _lane_loop(code, lane, fill)
    for node, name in zip(wanted, names, strict=True):
        code.writer.leaves[node] = (99, f"{name}[t]")
    return [*declared, *lines]


def _lane_row_stores(code: NestCode) -> None:
    w = code.writer
    where = cexpr.index_text(code.traced.row, {})
    for buffer, role in code.traced.nest.members:
        if role == "row" and buffer in code.stored:
            w.line(code.store(buffer, where, w.emit(code.exprs[buffer])))
        elif role == "reduce" and buffer in code.stored:
            w.line(code.store(buffer, where, code.result_text(buffer, "[t]")))
    for buffer, reducer in code.row_globals:
        value = w.emit(code.exprs[buffer])
        w.line(reducer.single(value))


AHEAD = 12
"""Rows of a gathered table that are asked for before they are needed."""
LINE_BYTES = 64


def prefetches(writer: Writer, exprs: list[Expr], along: Var, lane: Var, tile: int) -> list[str]:
    """Rows read through an index tensor come from anywhere in memory: ask for those of the next steps early."""
    lines: list[str] = []
    for node in walk(exprs):
        if node.op != "load" or node.payload[1].coefficient(lane) != 1:
            continue
        table, offset = node.payload
        for term, stride in offset.terms:
            source = _index_load(term)
            if source is None or source.payload[1].coefficient(along) != 1:
                continue
            indices, where = source.payload
            last = indices.numel - 1
            text = cexpr.index_text(where + AHEAD, {})
            row = f"{indices.name}[{text} < {last} ? {text} : {last}]"
            step = LINE_BYTES // cexpr.SIZE[table.dtype]
            width = min(tile, lane.size)
            lines.append(f"for (int64_t f = 0; f < {width}; f += {step}) "
                         f"__builtin_prefetch(&{table.name}[{row} * {stride} + f]);")  # fmt: skip
            writer.uses.add(indices)
    return sorted(set(lines))


def _index_load(term: object) -> Expr | None:
    """The load behind an indirect index, where it is a plain one."""
    expr = term.expr if isinstance(term, Indirect) else None
    if expr is not None and expr.op == "wrap":
        expr = expr.args[0]
    return expr if expr is not None and expr.op == "load" and not expr.args and expr.payload[1].is_affine() else None
