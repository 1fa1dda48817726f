"""C++ for one nest: rows in parallel, one row shared by all threads, or lanes (neighbouring rows at once)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from agent.builtin import cexpr
from agent.builtin.expr import Buffer, Expr, walk
from agent.builtin.index import Index, Var, of
from agent.builtin.plan import Plan
from agent.builtin.reducers import Reducer
from agent.builtin.schedule import Loop, Traced, row_major
from agent.builtin.shorter import maxima, shortened
from agent.builtin.writing import Writer, indent

MAX_THREADS = 256
SMALL = 1 << 15
"""Points below which a nest is not worth waking threads for."""
SCRATCH_BYTES = 1 << 19
STREAMED_BYTES = 1 << 22
"""Results smaller than this may stay in the cache until they are read."""
STAND_INS = {"tanh": "tanh_fast", "erf": "erf_fast"}
"""Our own in C++, quicker and a little less exact."""
STAGED_BYTES = 1 << 16
"""What a thread may hold on its stack before it is written past the cache."""


@dataclass
class Pass:
    """What is done in one sweep over the inner loops."""

    reducers: list[Reducer] = field(default_factory=list)
    globals: list[Reducer] = field(default_factory=list)
    stores: list[Buffer] = field(default_factory=list)


@dataclass(frozen=True)
class Along:
    """A loop through neighbours: ``var`` is ``first`` plus ``counter``, ``count`` times and at most ``room``."""

    var: Var
    counter: str
    first: str
    count: str
    room: int


class NestCode:
    """Collects the code of one nest."""

    def __init__(self, traced: Traced, stored: set[Buffer], plan: Plan, threads: int) -> None:
        self.traced, self.stored, self.plan, self.threads = traced, stored, plan, threads
        self.writer = Writer()
        self.exprs = dict(traced.exprs)
        self.roles = dict(traced.nest.members)
        self.reducer_of: dict[Buffer, Reducer] = {}
        self.passes: list[Pass] = []
        self.row_globals: list[tuple[Buffer, Reducer]] = []
        self.scratch: dict[Expr, str] = {}
        self.outputs: set[Buffer] = set()
        if plan.fast:
            self._take_shorter_functions()
        self._arrange()

    # What happens in which pass

    def _take_shorter_functions(self) -> None:
        """Functions that are quicker and a little less exact, or that need less than all arguments.

        ``exp(x - max(x))`` never has a positive one; ``tanh(softplus(x))`` needs one exponential.
        """
        tops = maxima(self.exprs, [b for b, role in self.roles.items() if role == "reduce"])
        about = self.traced.maker, tops
        self.exprs = {b: shortened(root, *about, stand_ins=STAND_INS) for b, root in self.exprs.items()}

    def _level(self, expr: Expr) -> int:
        """Number of the pass in which an expression can be computed, from 0."""
        return max(
            (
                1 + self._level(self.exprs[n.payload])
                for n in walk([expr])
                if n.op == "result" and n.payload in self.exprs
            ),
            default=0,
        )

    def _arrange(self) -> None:
        shared: dict[tuple[str, Expr], Reducer] = {}
        for buffer, role in self.traced.nest.members:
            if role == "special":
                continue
            expr = self.exprs[buffer]
            level = self._level(expr)
            while role in ("reduce", "full", "global") and len(self.passes) <= level:
                self.passes.append(Pass())
            if role in ("reduce", "global", "global_row"):
                kind = buffer.definition.kind
                kind = "moments" if kind in ("mean_of", "m2_of") else kind
                known = shared.get((kind, expr)) if role == "reduce" else None
                count = self.traced.nest.numel // self.traced.nest.rows if role == "reduce" else 0
                reducer = known or Reducer(kind, expr, str(len(self.reducer_of)), self.plan.exact, count)
                self.reducer_of[buffer] = reducer
                if role == "reduce" and known is None:
                    shared[kind, expr] = reducer
                    self.passes[level].reducers.append(reducer)
                elif role == "global":
                    self.passes[level].globals.append(reducer)
                elif role == "global_row":
                    self.row_globals.append((buffer, reducer))
            elif role == "full" and buffer in self.stored:
                self.passes[level].stores.append(buffer)
        self.passes = self.passes or [Pass()]

    # Pieces of text

    def header(self, name: str) -> list[str]:
        """Signature and typed pointers; called last, when it is known what is used."""
        lines = [f"static void {name}(void *const *p, int64_t *status) {{", "  int64_t bad = 0; (void)bad;"]
        for buffer in sorted(self.writer.uses | self.outputs, key=lambda b: b.name):
            const = "" if buffer in self.outputs else "const "
            kind = cexpr.C_MEMORY[buffer.dtype]
            lines.append(f"  {const}{kind} *__restrict {buffer.name} = ({const}{kind} *)p[SLOT_{buffer.name}];")
        return lines

    def store(self, buffer: Buffer, at: str, value: str) -> str:
        """An element written."""
        self.outputs.add(buffer)
        return f"{buffer.name}[{at}] = {cexpr.storable(value, buffer.dtype)};"

    def result_text(self, buffer: Buffer, at: str = "") -> str:
        """A finished reduction, in the kind of its buffer."""
        reducer = self.reducer_of[buffer]
        text = reducer.result(buffer.definition.kind, at)
        source = "i64" if reducer.kind in ("argmax", "argmin") else "b8" if reducer.kind in ("any", "all") else None
        kind = source or ("i64" if reducer.expr.kind == "b8" else reducer.expr.kind)
        return text if kind == buffer.kind else cexpr.cast(f"({text})", kind, buffer.kind)  # type: ignore[arg-type]

    def later(self, number: int) -> list[Expr]:
        """Expressions needed after pass ``number``."""
        roots = []
        for step in self.passes[number + 1 :]:
            roots += [r.expr for r in step.reducers + step.globals] + [self.exprs[b] for b in step.stores]
        return roots

    def cacheable(self, number: int, inner: list[Var], room: int) -> list[Expr]:
        """Costly expressions of pass ``number`` that a later pass needs at the same point."""
        if not self.plan.cache:
            return []
        step = self.passes[number]
        now = set(walk([r.expr for r in step.reducers + step.globals] + [self.exprs[b] for b in step.stores]))
        costly = {n for n in now if any(i.is_heavy for i in walk([n])) and n.variables & set(inner)}
        found: list[Expr] = []
        stack = self.later(number)
        seen: set[Expr] = set()
        while stack:
            node = stack.pop()
            if node in seen or node in self.scratch:
                continue
            seen.add(node)
            if node in costly and (len(found) + len(self.scratch) + 1) * room <= SCRATCH_BYTES:
                found.append(node)
            else:
                stack.extend(node.args)
        return found

    def parallel(self, numel: int) -> str:
        """The pragma that opens a parallel region."""
        threads = f" num_threads({self.plan.threads})" if self.plan.threads else ""
        return f"#pragma omp parallel{threads} if({int(numel >= SMALL)})"

    def unit_decode(self, loops: list[Loop] | list[Var], counter: str) -> list[str]:
        """Loop variables out of one counter."""
        variables = [v.var if isinstance(v, Loop) else v for v in loops]
        lines, stride = [], 1
        for position, var in reversed(list(enumerate(variables))):
            if var.size > 1:
                part = counter if stride == 1 else f"{counter} / {stride}"
                outermost = all(v.size == 1 for v in variables[:position])
                text = part if outermost else f"({part}) % {var.size}"
                lines.append(f"const int64_t {var.name} = {text};")
                stride *= var.size
        return lines[::-1]

    def struct(self, name: str, reducers: list[Reducer]) -> list[str]:
        """A struct that carries a thread's accumulators to whoever combines them."""
        members = " ".join(f"{kind} {field_};" for r in reducers for kind, field_, _ in r.fields())
        return [f"struct {name} {{ {members} }};", f"{name} *part{name} = new {name}[{MAX_THREADS}]; int nt{name} = 1;"]

    def start(self, reducers: list[Reducer]) -> list[str]:
        """Accumulators at their starting values."""
        return [f"{kind} {name} = {value};" for r in reducers for kind, name, value in r.fields()]

    def save(self, name: str, reducers: list[Reducer]) -> list[str]:
        """A thread hands over its accumulators."""
        parts = [f"part{name}[omp_get_thread_num()].{f} = {f};" for r in reducers for _, f, _ in r.fields()]
        return [*parts, "#pragma omp master", f"nt{name} = omp_get_num_threads();"]

    def combine(self, name: str, reducers: list[Reducer]) -> list[str]:
        """All threads' accumulators folded, in thread order."""
        merged = [line for r in reducers for line in r.merge(f"part{name}[k_]")]
        return [f"for (int k_ = 0; k_ < nt{name}; ++k_) {{", *indent(merged), "}", f"delete[] part{name};"]

    # One sweep

    def block_body(self, number: int, inner: list[Loop], m: str) -> tuple[list[str], list[list[str]]]:
        """Text of one block of the last inner loop (``r0`` and ``m`` are in scope), and the hoisted statements."""
        w, step = self.writer, self.passes[number]
        for one in inner[:-1]:
            w.open(one.var)
        last = inner[-1].var
        w.open(last)
        reducers = step.reducers + step.globals
        before = [line for r in reducers for line in r.block_start(self.plan.block)]
        after: list[str] = []
        position = row_major([loop.var for loop in inner])
        for reducer in reducers:
            value = w.emit(reducer.expr)
            for line in reducer.step(value):
                w.line(line)
            base = self.traced.flat if reducer in step.globals else position
            after += reducer.block_end(f"({_at(base, last, 'r0')})")
        room = math.prod(v.var.size for v in inner) * 8
        for expr in self.cacheable(number, [v.var for v in inner], room):
            name = w.fresh("s")
            w.line(f"{name}[{cexpr.index_text(position, {})}] = {w.emit(expr)};")
            self.scratch[expr] = name
        for buffer in step.stores:
            along = Along(last, "j", "r0", "m", self.plan.block)
            start, finish = self.store_along(buffer, w.emit(self.exprs[buffer]), along)
            before += start
            after += finish
        body = w.close()
        hoisted = [w.close() for _ in inner[:-1]][::-1]
        for expr, name in self.scratch.items():
            w.leaves.setdefault(expr, (len(w.levels) - 1 + len(inner), f"{name}[{cexpr.index_text(position, {})}]"))
        clauses = " ".join(c for r in reducers for c in r.clauses())
        loop = [
            f"#pragma omp simd {clauses}".rstrip(),
            f"for (int64_t j = 0; j < {m}; ++j) {{",
            *([f"  const int64_t {last.name} = r0 + j;"] if last.size > 1 else []),
            *indent(body),
            "}",
        ]
        return [*before, *loop, *after], hoisted

    def store_along(self, buffer: Buffer, value: str, along: Along) -> tuple[list[str], list[str]]:
        """Write an element of the domain inside of a loop; the lines that belong before and after that loop."""
        w, flat = self.writer, self.traced.flat
        size = cexpr.SIZE[buffer.dtype]
        much = buffer.numel * size >= STREAMED_BYTES
        if not (self.plan.stream and much and along.var.size >= 32 and along.room * size <= STAGED_BYTES):
            w.line(self.store(buffer, cexpr.index_text(flat, {}), value))
            return [], []
        name = w.fresh("o")
        w.line(f"{name}[{along.counter}] = {cexpr.storable(value, buffer.dtype)};")
        self.outputs.add(buffer)
        kind = cexpr.C_MEMORY[buffer.dtype]
        start = _at(flat, along.var, along.first)
        return (
            [f"alignas(64) {kind} {name}[{along.room}];"],
            [f"kw_stream({buffer.name} + ({start}), {name}, {along.count} * (int64_t)sizeof({kind}));"],
        )

    def sweep(self, number: int, inner: list[Loop]) -> list[str]:
        """All inner loops of one pass, run by one thread."""
        size, block = inner[-1].var.size, self.plan.block
        body, hoisted = self.block_body(number, inner, "m")
        if size <= block:
            lines = ["{", f"  const int64_t r0 = 0, m = {size}; (void)r0;", *indent(body), "}"]
        else:
            lines = [
                f"for (int64_t r0 = 0; r0 < {size}; r0 += {block}) {{",
                f"  const int64_t m = {size} - r0 < {block} ? {size} - r0 : {block};",
                *indent(body),
                "}",
            ]
        for loop, statements in zip(reversed(inner[:-1]), reversed(hoisted), strict=True):
            var = loop.var
            head = f"for (int64_t {var.name} = 0; {var.name} < {var.size}; ++{var.name}) {{"
            lines = [head, *indent(statements + lines), "}"]
        return lines


def _at(index: Index, last: Var, first: str) -> str:
    """An index text where ``last`` is ``first``."""
    coefficient = index.coefficient(last)
    rest = index + of(last) * -coefficient if coefficient else index
    text = cexpr.index_text(rest, {})
    return f"{text} + {first} * {coefficient}" if coefficient else text


def close_thread(code: NestCode) -> list[str]:
    """A thread's last lines: non-temporal stores made visible, a bad index reported."""
    lines = ["  if (bad) {", "    #pragma omp atomic write", "    *status = 1;", "  }"]
    return ["  kw_fence();", *lines] if code.plan.stream else lines


def set_results(code: NestCode, number: int, level: int, at: str = "") -> None:
    """From here on the reductions of a pass can be read."""
    for buffer, reducer in code.reducer_of.items():
        if code.roles[buffer] == "reduce" and reducer in code.passes[number].reducers:
            kept = frozenset(v.var for v in code.traced.loops if not v.reduced and v.var.size > 1)
            result = code.traced.maker.result(buffer, kept)
            code.writer.leaves[result] = (level, code.result_text(buffer, at))


def global_stores(code: NestCode) -> list[str]:
    """Results over the whole domain written, once all threads are combined."""
    return [
        code.store(buffer, "0", code.result_text(buffer))
        for buffer, role in code.traced.nest.members
        if role in ("global", "global_row") and buffer in code.stored
    ]


def worksharing(
    code: NestCode, units: int, body: list[str], reducers: list[Reducer], arrays: dict[str, str]
) -> list[str]:
    """A parallel loop over ``o``; ``arrays`` (name to ``type[size]``) are private, ``reducers`` span the whole loop."""
    declared = [f"{text.partition('[')[0]} *const {name} = new {text};" for name, text in arrays.items()]
    return [
        *(code.struct("G", reducers) if reducers else []),
        *code.writer.levels[0].lines,
        code.parallel(code.traced.nest.numel), "{",
        "  int64_t bad = 0; (void)bad;",
        *indent(declared + code.start(reducers)),
        "  #pragma omp for schedule(static)",
        f"  for (int64_t o = 0; o < {units}; ++o) {{",
        *indent(body, 4),
        "  }",
        *indent(code.save("G", reducers) if reducers else []),
        *indent([f"delete[] {name};" for name in arrays]),
        *close_thread(code),
        "}",
        *([*code.start(reducers), *code.combine("G", reducers), *global_stores(code)] if reducers else []),
    ]  # fmt: skip


def scratch_arrays(code: NestCode, room: int) -> dict[str, str]:
    """Where costly values wait for the next pass."""
    return {name: f"{cexpr.C_KIND[expr.kind]}[{room}]" for expr, name in code.scratch.items()}


def spanning(code: NestCode) -> list[Reducer]:
    """Reductions over the whole domain, which the threads must combine."""
    return [g for step in code.passes for g in step.globals] + [g for _, g in code.row_globals]
