"""Operators by their names: ``matmul with bias and gelu 1024x512x2048 bf16``. Pure, small, and no guesses.

A word that is not known here is told, not passed over: what was left out would be made fast all the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.chat.reading import Operator, Unreadable
from agent.chat.shapes import DTYPES

_LAST = "last"
"""A tensor as long as the first one's last axis."""


@dataclass(frozen=True)
class _Word:
    pattern: str
    code: str
    """Of the value ``y``, made of ``x`` where it is a step, and of the tensors."""
    tensors: tuple[str, ...] = ("x",)
    derived: tuple[tuple[str, str], ...] = ()
    """Tensors whose shapes follow."""


_FIRST = (
    _Word(r"log[ _-]?softmax", "torch.log_softmax(x, dim=-1)"),
    _Word(r"softmax", "torch.softmax(x, dim=-1)"),
    _Word(
        r"layer[ _-]?norm(?:ali[sz]ation)?",
        "F.layer_norm(x, x.shape[-1:], weight, bias)",
        ("x",),
        (("weight", _LAST), ("bias", _LAST)),
    ),
    _Word(
        r"rms[ _-]?norm(?:ali[sz]ation)?",
        "x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + 1e-6) * weight",
        ("x",),
        (("weight", _LAST),),
    ),
    _Word(r"(?:mat(?:rix)?[ -]?mul(?:tiply|tiplication)?|matrix product|gemm|mm)", "a @ b", ("a", "b")),
    _Word(r"(?:linear|fully connected)", "F.linear(x, weight)", ("x", "weight")),
    _Word(r"(?:cum(?:ulative )?sum|prefix sum|scan)", "torch.cumsum(x, dim=-1)"),
    _Word(r"log[ _-]?sum[ _-]?exp", "torch.logsumexp(x, dim=-1)"),
    _Word(r"sum", "x.sum(dim=-1)"),
    _Word(r"mean", "x.mean(dim=-1)"),
    _Word(r"max(?:imum)?", "x.amax(dim=-1)"),
    _Word(r"(?:l2[ _-]?)norm", "torch.linalg.vector_norm(x, dim=-1)"),
    _Word(r"transpose", "x.transpose(-1, -2).contiguous()"),
)
_STEPS = (
    _Word(r"bias", "x + bias", ("x",), (("bias", _LAST),)),
    _Word(r"relu", "torch.relu(x)"),
    _Word(r"gelu", "F.gelu(x)"),
    _Word(r"(?:silu|swish)", "F.silu(x)"),
    _Word(r"sigmoid", "torch.sigmoid(x)"),
    _Word(r"tanh", "torch.tanh(x)"),
    _Word(r"mish", "F.mish(x)"),
    _Word(r"softplus", "F.softplus(x)"),
    _Word(r"exp", "torch.exp(x)"),
    _Word(r"square", "x * x"),
)
KNOWN = (
    "softmax, log softmax, layernorm, rmsnorm, matmul, linear, cumsum, logsumexp, sum, mean, max, l2 norm, transpose"
)
KNOWN_STEPS = "bias, relu, gelu, silu, sigmoid, tanh, mish, softplus, exp, square"
_SMALL = re.compile(
    r"\b(?:a|an|the|of|on|over|with|and|then|plus|followed|by|for|to|please|make|faster|fast|optimi[sz]e|speed|up|my|"
    r"operator|op|kernel|function|layer|fused|in|at|is|it|its|input|inputs|shape|shapes|size|tensor|tensors|matrix|"
    r"matrices|vector|row|rows|last|dim|axis|along|write|want|need|i|me|each|every|all|both|same|torch|pytorch|large)\b",
    re.I,
)
_SIZES = re.compile(
    rf"\b(?:{'|'.join(re.escape(one) for name, others in DTYPES.items() for one in (name, *others))})\b|\b\d[\w.]*\b|"
    r"\b(?:batch|seq|sequence|heads|hidden|features|channels|height|width|columns|cols|length|elements|tokens)\b",
    re.I,
)


def read_words(text: str) -> Operator:
    """The operator that a text names, as a function. Raises Unreadable where there is none, or words beyond it."""
    low = " ".join(text.lower().split())
    first = [(found.start(), found.end(), word) for word in _FIRST if (found := _search(word, low))]
    # "log softmax" holds "softmax": the longer word is meant.
    first = [one for one in first if not any(_within(one, other) for other in first)]
    if len(first) > 1:
        names = " and ".join(low[begin:end] for begin, end, _ in sorted(first)[:2])
        raise Unreadable(f"{names} are two operators: paste the code that joins them")
    taken = first[0][:2] if first else (0, 0)
    steps = [(found.start(), found.end(), word) for word in _STEPS if (found := _search(word, low))]
    steps = sorted((one for one in steps if not taken[0] <= one[0] < taken[1]), key=lambda one: one[0])
    if not first and not steps:
        raise Unreadable(f"no operator is named; known words are {KNOWN}; and {KNOWN_STEPS}")
    left = low
    for begin, end, _ in sorted([*first, *steps], key=lambda one: one[0], reverse=True):
        left = left[:begin] + " " + left[end:]
    unknown = re.findall(r"[a-z_]{2,}", _SIZES.sub(" ", _SMALL.sub(" ", left)))
    if unknown:
        raise Unreadable(f"{', '.join(dict.fromkeys(unknown))}: not known; known words are {KNOWN}; and {KNOWN_STEPS}")
    return _operator([one[2] for one in [*first, *steps]])


def _search(word: _Word, text: str) -> re.Match[str] | None:
    return re.search(rf"\b{word.pattern}\b", text)


def _within(one: tuple[int, int, _Word], other: tuple[int, int, _Word]) -> bool:
    return one is not other and other[0] <= one[0] and one[1] <= other[1]


def _operator(words: list[_Word]) -> Operator:
    main = words[0]
    derived = {name: rule for word in words for name, rule in word.derived}
    name = "_".join(re.sub(r"\W+|_+", "", word.pattern.split("(")[0]) or _plain(word) for word in words)
    lines = [f"    y = {main.code}"]
    for word in words[1:]:
        code = re.sub(r"\bx\b", "y", word.code)
        lines.append(f"    y = {code}")
    arguments = [*main.tensors, *derived]
    source = "\n".join([f"def {name}({', '.join(arguments)}):", *lines, "    return y", ""])
    imports = [line for key, line in (("torch.", "import torch"), ("F.", _F)) if key in source]
    whole = "\n".join([*imports, "", "", source]) if imports else source
    return Operator("function", name, whole, main.tensors, derived=derived)


_F = "import torch.nn.functional as F"


def _plain(word: _Word) -> str:
    """A name for a pattern that begins with alternatives."""
    return {"a @ b": "matmul", "F.linear(x, weight)": "linear"}.get(word.code, "operator")
