"""The three shapes of a nest's code: ``rows``, ``shared`` and ``lanes``."""

from __future__ import annotations

import math

from agent.builtin import cexpr
from agent.builtin.expr import Buffer
from agent.builtin.index import Var
from agent.builtin.lanes import write_lanes
from agent.builtin.nests import (
    SMALL,
    NestCode,
    close_thread,
    global_stores,
    scratch_arrays,
    set_results,
    spanning,
    worksharing,
)  # fmt: skip
from agent.builtin.plan import Plan
from agent.builtin.schedule import Loop, Traced
from agent.builtin.writing import indent


def write_nest(
    traced: Traced, stored: set[Buffer], plan: Plan, threads: int, name: str
) -> tuple[list[str], set[Buffer]]:
    """C++ function of a nest, and the buffers it touches."""
    code = NestCode(traced, stored, plan, threads)
    loops = [loop for loop in traced.loops if loop.var.size > 1]
    kept = [loop for loop in loops if not loop.reduced]
    reduced = [loop for loop in loops if loop.reduced]
    inner_size = math.prod(loop.var.size for loop in reduced)
    if not traced.nest.has_reduction or not reduced:
        body = _shared(code, [], loops)
    elif loops[-1].reduced:
        rows = math.prod(loop.var.size for loop in kept)
        few = rows < 2 * threads or (plan.split and rows < 64 * threads)
        body = _shared(code, kept, reduced) if few and inner_size >= SMALL else _rows(code, kept, reduced)
    else:
        body = write_lanes(code, kept, reduced)
    text = [*code.header(name), *indent(body), "  if (bad) *status = 1;", "}"]
    return text, code.writer.uses | code.outputs


def _inner_or_unit(inner: list[Loop]) -> list[Loop]:
    return inner or [Loop(Var("u0", 1), True)]


def _rows(code: NestCode, kept: list[Loop], reduced: list[Loop]) -> list[str]:
    """Rows in parallel, each swept by one thread as often as there are passes."""
    w = code.writer
    inner = _inner_or_unit(reduced)
    w.open(*(loop.var for loop in kept))
    lines: list[str] = []
    for number, step in enumerate(code.passes):
        sweep = [*code.start(step.reducers), *code.sweep(number, inner)]
        lines += w.take() + sweep
        set_results(code, number, len(w.levels) - 1)
    lines += _row_stores(code)
    w.close()
    rows = math.prod(loop.var.size for loop in kept)
    room = math.prod(loop.var.size for loop in inner)
    body = code.unit_decode(kept, "o") + lines
    return worksharing(code, rows, body, spanning(code), scratch_arrays(code, room))


def _row_stores(code: NestCode, at: str = "") -> list[str]:
    """What is written once a row, with every pass done."""
    w = code.writer
    where = cexpr.index_text(code.traced.row, {})
    for buffer, role in code.traced.nest.members:
        if role == "row" and buffer in code.stored:
            w.line(code.store(buffer, where, w.emit(code.exprs[buffer])))
        elif role == "reduce" and buffer in code.stored:
            w.line(code.store(buffer, where, code.result_text(buffer, at)))
    for buffer, reducer in code.row_globals:
        value = w.emit(code.exprs[buffer])
        w.line(reducer.single(value))
    return w.take()


def _shared(code: NestCode, kept: list[Loop], inner: list[Loop]) -> list[str]:
    """Rows one after the other, each pass shared by all threads. Without rows: a plain parallel loop."""
    w, block = code.writer, code.plan.block
    inner = _inner_or_unit(inner)
    all_globals = [g for step in code.passes for g in step.globals] + [g for _, g in code.row_globals]
    w.open(*(loop.var for loop in kept))
    lines: list[str] = []
    for number, step in enumerate(code.passes):
        accumulators = step.reducers + step.globals
        body, hoisted = code.block_body(number, inner, "m")
        size = inner[-1].var.size
        blocks = -(-size // block)
        units = blocks * math.prod(loop.var.size for loop in inner[:-1])
        name = f"P{number}"
        decode = code.unit_decode([*inner[:-1], Loop(Var("blk", blocks), True)], "q")
        first = f"blk * {block}" if blocks > 1 else "0"
        sweep = [
            *(code.struct(name, accumulators) if accumulators else []),
            *code.start(step.reducers),
            code.parallel(code.traced.nest.numel), "{",
            "  int64_t bad = 0; (void)bad;",
            *indent(code.start(accumulators)),
            "  #pragma omp for schedule(static)",
            f"  for (int64_t q = 0; q < {units}; ++q) {{",
            *indent(decode, 4),
            f"    const int64_t r0 = {first}, m = {size} - r0 < {block} ? {size} - r0 : {block}; (void)r0;",
            *indent([s for statements in hoisted for s in statements] + body, 4),
            "  }",
            *indent(code.save(name, accumulators) if accumulators else []),
            *close_thread(code),
            "}",
            *(code.combine(name, accumulators) if accumulators else []),
        ]  # fmt: skip
        lines += w.take() + sweep
        set_results(code, number, len(w.levels) - 1)
    lines += _row_stores(code)
    w.close()
    rows = math.prod(loop.var.size for loop in kept)
    room = math.prod(loop.var.size for loop in inner)
    scratch = [f"{cexpr.C_KIND[e.kind]} *{n} = new {cexpr.C_KIND[e.kind]}[{room}];" for e, n in code.scratch.items()]
    return [
        *w.levels[0].lines, *scratch, *code.start(all_globals),
        f"for (int64_t o = 0; o < {rows}; ++o) {{",
        *indent(code.unit_decode(kept, "o") + lines),
        "}",
        *[f"delete[] {n};" for n in code.scratch.values()],
        *global_stores(code),
    ]  # fmt: skip
