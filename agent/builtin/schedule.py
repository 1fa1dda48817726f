"""Which buffers share a loop nest, and the expressions of each nest in its own loop variables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from agent.builtin.expr import Buffer, Expr, Exprs, indirect, walk
from agent.builtin.index import Index, Var, of, unflatten
from agent.builtin.lowering import External, Lowering, Pointwise, Ragged, Reduce, Scan, Window

Role = Literal["reduce", "full", "row", "global", "global_row", "special"]
Groups = tuple[tuple[int, bool], ...]
MAX_SPLITS = 24


@dataclass(frozen=True)
class Loop:
    """One loop of a nest, outermost first in a nest's list."""

    var: Var
    reduced: bool


@dataclass(eq=False)
class Nest:
    """Buffers computed in one pass over one domain."""

    groups: Groups
    """Sizes in domain order, each kept or reduced; neighbours of one kind are merged."""
    members: list[tuple[Buffer, Role]] = field(default_factory=list)

    @property
    def numel(self) -> int:
        """Points of the domain."""
        return math.prod(size for size, _ in self.groups)

    @property
    def rows(self) -> int:
        """Points of the kept part of the domain."""
        return math.prod(size for size, reduced in self.groups if not reduced)

    @property
    def special(self) -> Buffer | None:
        """The scan, window or bag that this nest is built around."""
        return next((b for b, role in self.members if role == "special"), None)

    @property
    def has_reduction(self) -> bool:
        """Whether it has rows."""
        return any(role == "reduce" for _, role in self.members)


@dataclass(eq=False)
class Call:
    """A call into torch's BLAS."""

    buffer: Buffer


@dataclass(eq=False)
class Traced:
    """A nest with its loops as they must be to index everything simply, and its members' expressions."""

    nest: Nest
    maker: Exprs
    loops: list[Loop]
    exprs: dict[Buffer, Expr]
    """Loads of the nest's own buffers are replaced by ``result`` expressions or by what was stored."""

    @property
    def flat(self) -> Index:
        """Row-major position in the domain."""
        return row_major([loop.var for loop in self.loops])

    @property
    def row(self) -> Index:
        """Row-major position in the kept part."""
        return row_major([loop.var for loop in self.loops if not loop.reduced])


Step = Nest | Call


def row_major(loops: list[Var]) -> Index:
    """Linear index over loops."""
    total = Index()
    for var in loops:
        total = total * var.size + of(var)
    return total


def groups_of(shape: tuple[int, ...], dims: tuple[int, ...]) -> Groups:
    """Normalised form of a domain: no unit sizes, neighbours of one kind merged."""
    merged: list[tuple[int, bool]] = []
    for d, size in enumerate(shape):
        if size == 1:
            continue
        if merged and merged[-1][1] == (d in dims):
            merged[-1] = (merged[-1][0] * size, d in dims)
        else:
            merged.append((size, d in dims))
    return tuple(merged) or ((1, False),)


def schedule(low: Lowering, *, crossing: bool = True) -> list[Step]:
    """Greedy fusion: each buffer joins the earliest nest that can take it, else it starts a new one.

    ``crossing``: whether a nest may reduce over all of its rows too, and may hold members that share no reading.
    """
    steps: list[Step] = []
    where: dict[Buffer, int] = {}
    for buffer in low.buffers:
        definition = buffer.definition
        if isinstance(definition, External):
            steps.append(Call(buffer))
            where[buffer] = len(steps) - 1
            continue
        nest = own_nest(buffer)
        needs = [where[b] for b in dependencies(low, nest) if b in where]
        start = max(needs, default=0)
        place = next((j for j in range(start, len(steps)) if _fuse(low, steps[j], buffer, crossing)), None)
        if place is None:
            steps.append(nest)
            place = len(steps) - 1
        where[buffer] = place
    return steps


def own_nest(buffer: Buffer) -> Nest:
    """The nest a buffer would have alone."""
    definition = buffer.definition
    if isinstance(definition, Reduce):
        return Nest(groups_of(definition.value.shape, definition.dims), [(buffer, "reduce")])
    if isinstance(definition, Pointwise):
        return Nest(groups_of(buffer.shape, ()), [(buffer, "full")])
    if isinstance(definition, Scan):
        lead = math.prod(buffer.shape[: definition.dim])
        trail = math.prod(buffer.shape[definition.dim + 1 :])
        return Nest(((lead, False), (buffer.shape[definition.dim], False), (trail, False)), [(buffer, "special")])
    if isinstance(definition, Window):
        rank = len(definition.kernel)
        lead = math.prod(buffer.shape[:-rank])
        return Nest(((lead, False), *((s, False) for s in buffer.shape[-rank:])), [(buffer, "special")])
    assert isinstance(definition, Ragged)
    return Nest(tuple((s, False) for s in buffer.shape), [(buffer, "special")])


def dependencies(low: Lowering, nest: Nest) -> set[Buffer]:
    """Buffers that a nest with one member reads."""
    buffer, role = nest.members[0]
    if role == "special":
        return special_reads(low, buffer)
    traced = trace(low, nest)
    return loads([traced.exprs[buffer]]) if traced else set()


def special_reads(low: Lowering, buffer: Buffer) -> set[Buffer]:
    """Buffers that a scan, window or bag reads."""
    definition = buffer.definition
    if isinstance(definition, Ragged):
        probe = [definition.value(of(0), of(0)), definition.offsets.at([of(0)])]
    else:
        probe = [definition.value.at([of(0) for _ in definition.value.shape])]
        points = [of(Var(f"p{d}", s)) for d, s in enumerate(definition.value.shape)]
        probe.append(definition.value.at(points))
    return loads(probe)


def loads(exprs: list[Expr]) -> set[Buffer]:
    """Buffers that expressions read, through indices too."""
    return {node.payload[0] for node in walk(exprs) if node.op == "load"}


def _fuse(low: Lowering, step: Step, buffer: Buffer, crossing: bool) -> bool:
    if isinstance(step, Call):
        return False
    role = _role(step, buffer)
    if role is None or (role in ("global", "global_row") and not crossing):
        return False
    step.members.append((buffer, role))
    traced = trace(low, step)
    if traced is None or (not crossing and not _shares(traced, buffer)):
        step.members.pop()
        return False
    return True


def _shares(traced: Traced, buffer: Buffer) -> bool:
    """Whether a member reads something that another one reads or makes."""
    own = [traced.exprs[buffer]]
    reads = loads(own)
    others = loads([e for b, e in traced.exprs.items() if b is not buffer])
    return not reads or bool(reads & others) or any(node.op == "result" for node in walk(own))


def _role(nest: Nest, buffer: Buffer) -> Role | None:
    definition = buffer.definition
    if isinstance(definition, Pointwise):
        if buffer.numel == nest.numel:
            return "full"
        return "row" if nest.has_reduction and buffer.numel == nest.rows else None
    if not isinstance(definition, Reduce) or nest.special:
        return None
    groups = groups_of(definition.value.shape, definition.dims)
    if groups == nest.groups:
        return "reduce"
    everything = len(definition.dims) == len(definition.value.shape)
    if not everything or definition.kind.startswith("arg"):
        return None
    if definition.value.numel == nest.numel:
        return "global"
    return "global_row" if nest.has_reduction and definition.value.numel == nest.rows else None


def trace(low: Lowering, nest: Nest) -> Traced | None:
    """Loops and expressions of a nest; None when a member reads another in a way that needs it finished."""
    loops = [Loop(Var(f"i{k}", size), reduced) for k, (size, reduced) in enumerate(nest.groups)]
    fixed = nest.special is not None
    for _ in range(MAX_SPLITS):
        raw = {b: _evaluate(b, role, loops) for b, role in nest.members if role != "special"}
        split = next(_wanted(list(raw.values()), loops), None)
        if split is None:
            break
        if fixed and split[0] in {loop.var for loop in loops[-_inner(nest) :]}:
            return None
        loops = _split(loops, *split)
    traced = Traced(nest, low.exprs, loops, {})
    for buffer, role in nest.members:
        if role == "special":
            continue
        resolved = _resolve(low.exprs, traced, raw[buffer], buffer)
        if resolved is None:
            return None
        traced.exprs[buffer] = resolved
    return traced


def _inner(nest: Nest) -> int:
    """Trailing loops of a special nest that its code runs itself."""
    special = nest.special
    if special is not None and isinstance(special.definition, Window):
        return len(special.definition.kernel)
    return 2


def _evaluate(buffer: Buffer, role: Role, loops: list[Loop]) -> Expr:
    whole = row_major([loop.var for loop in loops])
    kept = row_major([loop.var for loop in loops if not loop.reduced])
    flat = kept if role in ("row", "global_row") else whole
    definition = buffer.definition
    value = definition.value
    return value.at(unflatten(flat, value.shape))  # type: ignore[no-any-return]


def _wanted(exprs: list[Expr], loops: list[Loop]) -> Iterator[tuple[Var, int]]:
    known = {loop.var for loop in loops}
    for expr in exprs:
        for var, size in expr.splits():
            if var in known:
                yield var, size


def _split(loops: list[Loop], var: Var, inner: int) -> list[Loop]:
    result = []
    for loop in loops:
        if loop.var == var:
            result.append(Loop(Var(f"{var.name}a", var.size // inner), loop.reduced))
            result.append(Loop(Var(f"{var.name}b", inner), loop.reduced))
        else:
            result.append(loop)
    return result


def _resolve(exprs: Exprs, traced: Traced, root: Expr, owner: Buffer) -> Expr | None:
    roles = dict(traced.nest.members)
    kept = frozenset(loop.var for loop in traced.loops if not loop.reduced and loop.var.size > 1)
    every = frozenset(loop.var for loop in traced.loops if loop.var.size > 1)
    done: dict[Expr, Expr] = {}
    inside = {e for node in walk([root]) for e in _index_exprs(node)}
    for node in walk([root]):
        if node.op == "load" and node.payload[0] in roles:
            buffer, offset = node.payload
            role = roles[buffer]
            if buffer is owner or any(node is e or node in set(walk([e])) for e in inside):
                return None
            expected = traced.row if role in ("reduce", "row") else traced.flat
            if role in ("global", "global_row") or not same(offset, expected):
                return None
            if role == "reduce":
                done[node] = exprs.result(buffer, kept)
            elif role == "special":
                done[node] = exprs.result(buffer, every)
            elif buffer in traced.exprs:
                done[node] = traced.exprs[buffer]
            else:
                return None
        else:
            done[node] = exprs.rebuilt(node, tuple(done[a] for a in node.args))
    return done[root]


def _index_exprs(node: Expr) -> Iterator[Expr]:
    if node.op == "load":
        yield from indirect(node.payload[1])
    elif node.op == "index":
        yield from indirect(node.payload)


def same(a: Index, b: Index) -> bool:
    """Equal whatever the order of their terms."""
    return a.const == b.const and dict(a.terms) == dict(b.terms)
