"""Which operands of a nest lie in memory along another axis than the last of its loops."""

from __future__ import annotations

import math
from dataclasses import dataclass

from agent.builtin.cexpr import SIZE
from agent.builtin.expr import Buffer, Expr, indirect, walk
from agent.builtin.index import Var

SECTOR_BYTES = 32
"""What memory gives at least; neighbours in it come with one reading."""
VECTOR_BYTES = 16
"""What a thread reads at most at a time."""
WARP = 32


@dataclass(frozen=True)
class Turned:
    """A load that lies along ``var`` in memory, and not along the last loop."""

    load: Expr
    var: Var
    steps: dict[Var, int]
    size_bytes: int


def turned_loads(exprs: list[Expr], loops: list[Var]) -> list[Turned]:
    """Loads whose neighbours in memory a warp does not read, where its lanes go along the last of the loops."""
    found = []
    for node in walk(exprs):
        if node.op != "load":
            continue
        buffer, offset = node.payload
        size = SIZE[buffer.dtype]
        steps = {term: abs(step) for term, step in offset.terms if isinstance(term, Var)}
        near = _near(steps, loops)
        if near is None or steps[near] * size < SECTOR_BYTES:
            continue
        var = min(steps, key=lambda v: steps[v])
        if steps[var] * size < SECTOR_BYTES:
            found.append(Turned(node, var, steps, size_bytes(node)))
    return found


def _near(steps: dict[Var, int], loops: list[Var]) -> Var | None:
    """The innermost loop that an address depends on; None where all lanes of a warp have the same address."""
    same = 1
    for var in reversed(loops):
        if var in steps:
            return var
        same *= var.size
        if same >= WARP:
            break
    return None


def by_vectors(load: Expr, loops: list[Var]) -> bool:
    """Whether neighbours along the last of ``loops`` are so in memory, and vectors of them aligned wherever they are
    read: every other step is as long as some vectors.
    """
    buffer, offset = load.payload
    others = [offset.const, *(step for term, step in offset.terms if term != loops[-1])]
    near = any(term == loops[-1] and step == 1 for term, step in offset.terms)
    return near and not list(indirect(offset)) and all(step * SIZE[buffer.dtype] % VECTOR_BYTES == 0 for step in others)


def size_bytes(load: Expr) -> int:
    """How much of its buffer a load reads, each element counted once."""
    buffer: Buffer = load.payload[0]
    return SIZE[buffer.dtype] * min(buffer.numel, math.prod(var.size for var in load.variables))
