"""Expressions as C++ text."""

from __future__ import annotations

from agent.builtin.expr import Expr, Kind
from agent.builtin.index import Index, Indirect, Quotient, Remainder, Term, Var

C_KIND: dict[Kind, str] = {"f32": "float", "f64": "double", "i64": "int64_t", "b8": "bool"}
C_MEMORY = {
    "float32": "float", "float64": "double", "bfloat16": "uint16_t", "float16": "uint16_t", "int64": "int64_t",
    "int32": "int32_t", "int16": "int16_t", "int8": "int8_t", "uint8": "uint8_t", "bool": "uint8_t",
}  # fmt: skip
SIZE = {
    "float32": 4, "float64": 8, "bfloat16": 2, "float16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1,
    "bool": 1,
}  # fmt: skip

INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">",
    "ge": ">=",
    "and": "&", "or": "|", "xor": "^", "int_div": "/", "int_mod": "%",
    "shift_left": "<<", "shift_right": ">>",
}  # fmt: skip
PREFIX = {"neg": "-", "not": "!", "invert": "~"}
OWN_F32 = {"exp", "exp_fast", "log", "expm1", "log1p", "tanh", "erf", "sigmoid", "sin", "cos", "pow"} | {
    "tanh_fast",
    "erf_fast",
    "tanh_softplus",
}
OWN_INTEGER = {"floor_div", "floor_mod", "ipow"}
LIBM = {"abs": "fabs"}


def constant(payload: str, kind: Kind) -> str:
    """A literal that holds the value exactly."""
    if kind == "b8":
        return "true" if payload == "True" else "false"
    if kind == "i64":
        return f"INT64_C({payload})" if int(payload) > -(2**63) else "INT64_MIN"
    value = float(payload)
    suffix = "f" if kind == "f32" else ""
    if value != value:
        return f'__builtin_nan{suffix}("")'
    if value in (float("inf"), float("-inf")):
        return f"({'-' if value < 0 else ''}__builtin_inf{suffix}())"
    return f"{value!r}{suffix}" if kind == "f64" else f"{_shortest_float(value)}f"


def _shortest_float(value: float) -> str:
    text = f"{value:.9g}"
    return text if any(c in text for c in ".en") else text + ".0"


def call(op: str, kind: Kind, args: list[str], arg_kind: Kind) -> str:
    """A function of C++ expressions, computed in ``arg_kind``."""
    if op in INFIX:
        return f"({args[0]} {INFIX[op]} {args[1]})"
    if op in PREFIX:
        return f"({PREFIX[op]}{args[0]})"
    if op == "where":
        return f"({args[0]} ? {args[1]} : {args[2]})"
    if op in ("maximum", "minimum"):
        sign = ">" if op == "maximum" else "<"
        nan = f" || {args[0]} != {args[0]}" if arg_kind in ("f32", "f64") else ""
        return f"(({args[0]} {sign} {args[1]}{nan}) ? {args[0]} : {args[1]})"
    if op == "isnan":
        return f"({args[0]} != {args[0]})" if arg_kind in ("f32", "f64") else "false"
    if op in ("isinf", "isfinite"):
        if arg_kind not in ("f32", "f64"):
            return "false" if op == "isinf" else "true"
        size, top = (
            ("__builtin_fabsf", "__builtin_inff()") if arg_kind == "f32" else ("__builtin_fabs", "__builtin_inf()")
        )
        return f"({size}({args[0]}) {'==' if op == 'isinf' else '<'} {top})"
    if op == "signbit":
        return f"({args[0]} < 0)"
    if op == "sign":
        return f"({C_KIND[kind]})(({args[0]} > 0) - ({args[0]} < 0))"
    if op == "wrap":
        return f"kw_wrap({args[0]}, {args[1]}, &bad)"
    if arg_kind == "i64":
        if op == "abs":
            return f"({args[0]} < 0 ? -{args[0]} : {args[0]})"
        if op in ("floor", "ceil", "trunc", "rint"):
            return args[0]
        return f"kw_{op}({', '.join(args)})"
    return _float_function(op, args, arg_kind)


def _float_function(op: str, args: list[str], kind: Kind) -> str:
    if kind == "f32" and op in OWN_F32:
        return f"kw_{op}({', '.join(args)})"
    if op in ("sigmoid", "exp_fast"):
        return f"(1.0 / (1.0 + __builtin_exp(-{args[0]})))" if op == "sigmoid" else f"__builtin_exp({args[0]})"
    return f"__builtin_{LIBM.get(op, op)}{'f' if kind == 'f32' else ''}({', '.join(args)})"


def cast(text: str, source: Kind, to: Kind) -> str:
    """A conversion as C does it."""
    if to == "b8":
        return f"({text} != 0)"
    if source == "b8":
        one, zero = {"f32": ("1.0f", "0.0f"), "f64": ("1.0", "0.0"), "i64": ("1", "0")}[to]
        return f"({text} ? {one} : {zero})"
    return f"({C_KIND[to]}){text}"


def loaded(text: str, dtype: str) -> str:
    """An element as it comes from memory, in the kind it is computed in."""
    if dtype == "bfloat16":
        return f"kw_load_bf16({text})"
    if dtype == "float16":
        return f"kw_load_f16({text})"
    if dtype == "bool":
        return f"({text} != 0)"
    return f"(int64_t){text}" if dtype in ("int32", "int16", "int8", "uint8") else text


def storable(text: str, dtype: str) -> str:
    """A value as it goes to memory."""
    if dtype == "bfloat16":
        return f"kw_store_bf16({text})"
    if dtype == "float16":
        return f"kw_store_f16({text})"
    if dtype in ("float32", "float64", "int64"):
        return text
    return f"({C_MEMORY[dtype]})({text})"


def index_text(index: Index, names: dict[Expr, str], division: str = "/") -> str:
    """An index as C++; ``names`` holds the variables of the expressions it is read from.

    ``division``: of whole numbers, as another language spells it.
    """
    parts = []
    for term, coefficient in index.terms:
        text = _term(term, names, division)
        parts.append(text if coefficient == 1 else f"{text} * {coefficient}")
    if index.const or not parts:
        parts.append(str(index.const))
    return " + ".join(parts)


def _term(term: Term, names: dict[Expr, str], division: str) -> str:
    if isinstance(term, Var):
        return term.name
    if isinstance(term, Indirect):
        return names[term.expr]
    inner = index_text(term.index, names, division)
    if isinstance(term, Quotient):
        return f"(({inner}) {division} {term.by})"
    assert isinstance(term, Remainder)
    return f"(({inner}) % {term.by})"
