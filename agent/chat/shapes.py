"""Shapes, dtypes and numbers as people write them: ``4096x4096 bf16``, ``batch 32 seq 128 dim 512``, ``x: (8, 64)``.

Pure. What is written is taken as it stands: nothing is guessed beyond the letters k (1024) and m (1024 times that).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

DTYPES = {
    "float32": ("fp32", "f32", "float", "single"),
    "bfloat16": ("bf16", "brain float"),
    "float16": ("fp16", "f16", "half"),
    "float64": ("fp64", "f64", "double"),
    "int64": ("i64", "long"),
    "int32": ("i32", "int"),
    "int8": ("i8",),
    "bool": ("boolean", "mask"),
}
"""torch's name to what people call it."""
AXES = (
    *("batch", "bs", "seq", "sequence", "seqlen", "tokens", "heads", "head", "dim", "dims", "d_model", "hidden"),
    *("features", "channels", "chan", "height", "width", "depth", "rows", "cols", "columns", "length", "len", "vocab"),
    *("elements", "size", "points", "classes", "groups"),
)
_SPELLED = {spelled: name for name, others in DTYPES.items() for spelled in (name, *others)}
_NUMBER = r"\d[\d_]*[kKmM]?"
_AXIS = "|".join(AXES)
_TOKENS = re.compile(
    rf"""
      (?P<bracket>[\[(]\s*{_NUMBER}(?:\s*,\s*{_NUMBER})*\s*,?\s*[\])])
    | (?P<below>(?:<|below|under|up\ to|less\ than)\s*(?P<bound>{_NUMBER})\b)
    | (?P<cross>\b{_NUMBER}(?:\s*[x×*]\s*{_NUMBER})+\b)
    | (?P<axis>\b(?:{_AXIS})\b(?:\s+(?:size|of|dim))?\s*[:=]?\s*(?P<axis_size>{_NUMBER})\b)
    | (?P<counted>\b(?P<counted_size>{_NUMBER})\s+(?:{_AXIS})\b)
    | (?P<dtype>\b(?:{"|".join(sorted(map(re.escape, _SPELLED), key=len, reverse=True))})\b)
    | (?P<value>\b(?P<name>[A-Za-z_]\w*)\s*=\s*
        (?P<literal>-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|True|False|None|'[^']*'|"[^"]*")(?![\w.]*\s*[x×*,]\s*\d))
    | (?P<every>\b(?:all|each|both|every|same)\b)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<plain>\b{_NUMBER}\b)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Tensor:
    """One input."""

    shape: tuple[int, ...]
    dtype: str = ""
    """torch's name; empty where nobody said."""
    below: int | None = None
    """Of whole numbers: each is less than this."""


@dataclass
class Stated:
    """What somebody said of an operator's inputs."""

    named: dict[str, Tensor] = field(default_factory=dict)
    unnamed: list[Tensor] = field(default_factory=list)
    """In the order in which they were said."""
    dtype: str = ""
    """Said of everything."""
    below: int | None = None
    for_all: bool = False
    """One shape was said of all of them."""
    values: dict[str, Any] = field(default_factory=dict)
    """Of arguments that are no tensors."""

    @property
    def is_empty(self) -> bool:
        """Nothing was understood."""
        return not (self.named or self.unnamed or self.dtype or self.values or self.below)


def number(text: str) -> int:
    """``4k`` is 4096, ``1m`` is 1,048,576."""
    factor = {"k": 1 << 10, "m": 1 << 20}.get(text[-1].lower(), 1)
    return int(text.rstrip("kKmM").replace("_", "")) * factor


def parse_shapes(text: str, names: Sequence[str] = ()) -> Stated:
    """What a text says of inputs; ``names`` are those of the arguments, which may be named in it."""
    reader = _Reader(frozenset(names))
    for token in _TOKENS.finditer(text):
        reader.take(token)
    return reader.done()


class _Reader:
    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._found: list[list[Any]] = []
        """Names, shape, dtype, bound."""
        self._pending: list[str] = []
        """Names whose shape comes next."""
        self._plain: list[int] = []
        self._axes: list[int] | None = None
        self._dtypes: list[str] = []
        self._stated = Stated()

    def take(self, token: re.Match[str]) -> None:
        """One token: what it is says what it belongs to."""
        said, kind = token.group(), next(one for one in _KINDS if token.group(one) is not None)
        if kind == "axis" and (word := said.split("=")[0].strip()) in self._names:
            self._value(word, said.split("=")[-1])
            return
        if kind not in ("axis", "counted") and said != "and":
            self._axes = None
        if kind in ("axis", "counted"):
            self._axis(number(token.group("axis_size") or token.group("counted_size")))
        elif kind in ("bracket", "cross"):
            self._shape([number(one) for one in re.findall(_NUMBER, said)])
        elif kind == "plain":
            if self._pending:
                self._shape([number(said)])
            else:
                self._plain.append(number(said))
        elif kind == "dtype":
            self._dtype(_SPELLED[said])
        elif kind == "below":
            self._below(number(token.group("bound")))
        elif kind == "value":
            self._value(token.group("name"), token.group("literal"))
        elif kind == "every":
            self._stated.for_all = True
        elif said in self._names:
            self._pending.append(said)

    def _axis(self, size: int) -> None:
        if self._axes is None:
            self._axes = []
            self._shape(self._axes)
        self._axes.append(size)

    def _shape(self, shape: list[int]) -> None:
        self._found.append([tuple(self._pending), shape, "", None])
        self._pending = []

    def _dtype(self, dtype: str) -> None:
        self._dtypes.append(dtype)
        if self._found and not self._found[-1][2]:
            self._found[-1][2] = dtype

    def _below(self, bound: int) -> None:
        self._stated.below = bound
        if self._found:
            self._found[-1][3] = bound

    def _value(self, name: str, literal: str) -> None:
        self._stated.values[name] = ast.literal_eval(literal)

    def done(self) -> Stated:
        """One dtype alone is said of everything."""
        stated = self._stated
        if not self._found and not stated.values and self._plain:
            self._found = [[(), [size], "", stated.below] for size in self._plain]  # one axis each
        alone = self._dtypes[0] if len(set(self._dtypes)) == 1 else ""
        stated.dtype = alone or (self._dtypes[0] if self._dtypes and not self._found else "")
        for names, shape, dtype, below in self._found:
            tensor = Tensor(tuple(shape), "" if alone else dtype, below)
            stated.named |= dict.fromkeys(names, tensor)
            if not names:
                stated.unnamed.append(tensor)
        return stated


_KINDS = ("bracket", "below", "cross", "axis", "counted", "dtype", "value", "every", "word", "plain")
