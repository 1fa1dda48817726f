"""Expressions as Triton text."""

from __future__ import annotations

from agent.builtin import cexpr
from agent.builtin.cexpr import INFIX
from agent.builtin.expr import Expr, Kind
from agent.builtin.index import Index
from agent.builtin.lowering import Unsupported

TYPE: dict[Kind, str] = {"f32": "tl.float32", "f64": "tl.float64", "i64": "tl.int64", "b8": "tl.int1"}
FLOATING = ("f32", "f64")
LIBDEVICE = frozenset(
    [
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "copysign",
        "cos",
        "cosh",
        "erf",
        "erfc",
        "exp",
        "exp2",
        "expm1",
        "fmod",
        "hypot",
        "log",
        "log10",
        "log1p",
        "log2",
        "pow",
        "rint",
        "sin",
        "sinh",
        "tan",
        "tanh",
        "trunc",
    ]
)
"""Of NVIDIA's own library: a unit or two in the last place, where Triton's own exp is an approximation."""
BLOCKS = {
    "kw_maximum": """\
@triton.jit
def kw_maximum(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)
""",
    "kw_minimum": """\
@triton.jit
def kw_minimum(a, b):
    return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)
""",
    "kw_maximum_wide": """\
@triton.jit
def kw_maximum_wide(a, b):
    return tl.where((a > b) | (a != a), a, b)
""",
    "kw_minimum_wide": """\
@triton.jit
def kw_minimum_wide(a, b):
    return tl.where((a < b) | (a != a), a, b)
""",
    "kw_apart2": """\
@triton.jit
def kw_apart2(x):
    return tl.split(x)
""",
    "kw_apart4": """\
@triton.jit
def kw_apart4(x):
    even, odd = tl.split(tl.reshape(x, (x.shape[0], 2, 2)))
    a, c = tl.split(even)
    b, d = tl.split(odd)
    return a, b, c, d
""",
    "kw_apart8": """\
@triton.jit
def kw_apart8(x):
    even, odd = tl.split(tl.reshape(x, (x.shape[0], 2, 2, 2)))
    ae, cg = tl.split(even)
    bf, dh = tl.split(odd)
    a, e = tl.split(ae)
    b, f = tl.split(bf)
    c, g = tl.split(cg)
    d, h = tl.split(dh)
    return a, b, c, d, e, f, g, h
""",
    "kw_beside2": """\
@triton.jit
def kw_beside2(a, b):
    return tl.join(a, b)
""",
    "kw_beside4": """\
@triton.jit
def kw_beside4(a, b, c, d):
    return tl.reshape(tl.join(tl.join(a, c), tl.join(b, d)), (a.shape[0], 4))
""",
    "kw_beside8": """\
@triton.jit
def kw_beside8(a, b, c, d, e, f, g, h):
    even = tl.join(tl.join(a, e), tl.join(c, g))
    odd = tl.join(tl.join(b, f), tl.join(d, h))
    return tl.reshape(tl.join(even, odd), (a.shape[0], 8))
""",
    "kw_sum": """\
@triton.jit
def kw_sum(a, b):
    return a + b
""",
    "kw_product": """\
@triton.jit
def kw_product(a, b):
    return a * b
""",
    **{
        f"{join}_before": f"""\
@triton.jit
def {join}_before(a, b, c, d):  # b, d: what comes before a, before c
    return {join}(a, c), {join}(a, d)
"""
        for join in ("kw_sum", "kw_product", "kw_maximum_wide", "kw_minimum_wide")
    },
    "kw_argmax_later": """\
@triton.jit
def kw_argmax_later(a, i, b, j):  # j comes after i: of equal ones the first stays
    later = (a == a) & ~(b <= a)
    return tl.where(later, b, a), tl.where(later, j, i)
""",
    "kw_argmax": """\
@triton.jit
def kw_argmax(a, i, b, j):
    first = (a > b) | (((a == b) | ((a != a) & (b != b))) & (i < j)) | ((a != a) & (b == b))
    return tl.where(first, a, b), tl.where(first, i, j)
""",
    "kw_argmin_later": """\
@triton.jit
def kw_argmin_later(a, i, b, j):  # j comes after i: of equal ones the first stays
    later = (a == a) & ~(b >= a)
    return tl.where(later, b, a), tl.where(later, j, i)
""",
    "kw_argmin": """\
@triton.jit
def kw_argmin(a, i, b, j):
    first = (a < b) | (((a == b) | ((a != a) & (b != b))) & (i < j)) | ((a != a) & (b == b))
    return tl.where(first, a, b), tl.where(first, i, j)
""",
    "kw_tanh_fast": """\
@triton.jit
def kw_tanh_fast(x):  # to 6e-8, however small it is
    return 1.0 - 2.0 / (tl.exp(2.0 * x) + 1.0)
""",
    "kw_tanh_softplus": """\
@triton.jit
def kw_tanh_softplus(x):  # above 20 it is 1
    e = tl.exp(tl.where(x > 20.0, 20.0, x))
    above = e * (e + 2.0)
    return above / (above + 2.0)
""",
    "kw_floor_div": """\
@triton.jit
def kw_floor_div(a, b):
    quotient = a // b
    return tl.where((quotient * b != a) & ((a < 0) != (b < 0)), quotient - 1, quotient)
""",
    "kw_floor_mod": """\
@triton.jit
def kw_floor_mod(a, b):
    rest = a % b
    return tl.where((rest != 0) & ((rest < 0) != (b < 0)), rest + b, rest)
""",
}
"""Functions a kernel may need, by name."""


def constant(payload: str, kind: Kind) -> str:
    """A literal that holds the value exactly."""
    if kind == "b8":
        return payload
    if kind == "i64":
        return payload if int(payload) >= 0 else f"({payload})"
    value = float(payload)
    if value != value:
        return 'float("nan")'
    if value in (float("inf"), float("-inf")):
        return f'float("{payload}")'
    return payload if value >= 0 and not payload.startswith("-") else f"({payload})"


def call(op: str, kind: Kind, args: list[str], arg_kind: Kind, *, precise: bool) -> str:
    """A function of Triton expressions, computed in ``arg_kind``. Raises Unsupported."""
    if op == "div" and arg_kind == "f32" and precise:
        return f"tl.div_rn({args[0]}, {args[1]})"
    if op in INFIX:
        symbol = {"int_div": "//"}.get(op, INFIX[op])
        return f"({args[0]} {symbol} {args[1]})"
    if op == "neg":
        return f"(-{args[0]})"
    if op in ("not", "invert"):
        return f"(~{args[0]})"
    if op == "where":
        return f"tl.where({args[0]}, {args[1]}, {args[2]})"
    if op in ("maximum", "minimum"):
        return extreme(op, args, arg_kind)
    if op in ("fmin", "fmax"):
        return f"tl.{'minimum' if op == 'fmin' else 'maximum'}({args[0]}, {args[1]})"
    if op in ("isnan", "isinf", "isfinite", "signbit", "sign"):
        return _classified(op, kind, args[0], arg_kind)
    if op == "wrap":
        return f"tl.where({args[0]} < 0, {args[0]} + {args[1]}, {args[0]})"
    if op == "abs":
        return f"tl.abs({args[0]})"
    if arg_kind == "i64":
        if op in ("floor", "ceil", "trunc", "rint"):
            return args[0]
        if op in ("floor_div", "floor_mod"):
            return f"kw_{op}({', '.join(args)})"
        raise Unsupported(f"{op} of integers in Triton")
    return _float_function(op, args, arg_kind, precise=precise)


def extreme(op: str, args: list[str], kind: Kind) -> str:
    """The larger or smaller of two; what is NaN stays NaN."""
    if kind == "b8":
        return f"({args[0]} {'|' if op == 'maximum' else '&'} {args[1]})"
    if kind == "i64":
        return f"tl.{op}({args[0]}, {args[1]})"
    return f"kw_{op}{'_wide' if kind == 'f64' else ''}({args[0]}, {args[1]})"


def _classified(op: str, kind: Kind, arg: str, arg_kind: Kind) -> str:
    if op == "signbit":
        return f"({arg} < 0)"
    if op == "sign":
        return f"(({arg} > 0).to({TYPE[kind]}) - ({arg} < 0).to({TYPE[kind]}))"
    if arg_kind not in FLOATING:
        return f"({arg} {'==' if op == 'isfinite' else '!='} {arg})"
    if op == "isnan":
        return f"({arg} != {arg})"
    return f'(tl.abs({arg}) {"==" if op == "isinf" else "<"} float("inf"))'


def _float_function(op: str, args: list[str], kind: Kind, *, precise: bool) -> str:
    if op == "exp_fast":
        return f"tl.exp({args[0]})"
    if kind == "f32" and not precise and op in ("exp", "tanh"):
        return f"tl.exp({args[0]})" if op == "exp" else f"kw_tanh_fast({args[0]})"
    if op == "tanh_softplus":
        return f"kw_tanh_softplus({args[0]})"
    if op == "sigmoid":
        if kind == "f32" and not precise:
            return f"(1.0 / (1.0 + tl.exp(-{args[0]})))"
        below = f"1.0 + libdevice.exp(-{args[0]})"
        return f"tl.div_rn(1.0, {below})" if kind == "f32" else f"(1.0 / ({below}))"
    if op == "sqrt":
        return f"tl.sqrt_rn({args[0]})" if precise and kind == "f32" else f"tl.sqrt({args[0]})"
    if op in ("floor", "ceil"):
        return f"tl.{op}({args[0]})"
    if op in LIBDEVICE:
        return f"libdevice.{op}({', '.join(args)})"
    raise Unsupported(f"{op} in Triton")


def cast(text: str, source: Kind, to: Kind) -> str:
    """A conversion (to bool: is not zero)."""
    return f"({text} != 0)" if to == "b8" else f"{text}.to({TYPE[to]})"


def loaded(text: str, dtype: str, kind: Kind) -> str:
    """An element as it comes from memory, in the kind it is computed in."""
    return text if dtype in ("float32", "float64", "int64", "bool") else f"{text}.to({TYPE[kind]})"


def index_text(index: Index, names: dict[Expr, str]) -> str:
    """An index; ``names`` holds the variables of the expressions it is read from."""
    return cexpr.index_text(index, names, "//")
