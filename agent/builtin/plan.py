"""What the builtin model may vary: one frozen value that prints and parses itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Self, TypeVar

C = TypeVar("C", bound="Choices")


@dataclass(frozen=True)
class Choices:
    """One value of every kind of plan. Everything that changes the text of a kernel is in it."""

    def __str__(self) -> str:
        changed = [f"{f.name}={int(getattr(self, f.name))}" for f in fields(self)]
        return "plan " + " ".join(changed)

    def but(self, **changes: object) -> Self:
        """The same with some choices changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Plan(Choices):
    """Choices of one C++ candidate."""

    block: int = 1024
    """Elements of a row handled between two folds of an accumulator; also the unit of parallel work."""
    tile: int = 256
    """Neighbouring rows handled at once where rows lie across memory."""
    cache: bool = True
    """Keep costly values of one pass for the next instead of computing them again."""
    stream: bool = False
    """Write results past the cache (non-temporal stores)."""
    fast: bool = True
    """Shorter exponential where the argument cannot be positive, and quicker tanh and erf."""
    exact: bool = False
    """Sum in double from the first element."""
    threads: int = 0
    """0: all."""
    split: bool = False
    """Share one row among the threads even where there are enough rows."""


def parse_plan(text: str) -> Plan | None:
    """The plan of a C++ candidate in a text; None where there is none."""
    return parse_choices(text, Plan())


def parse_choices(text: str, default: C) -> C | None:
    """Inverse of ``str``; None where there is no plan in the text. Unknown or missing choices are
    those of ``default``.
    """
    found = re.search(r"\bplan ((?:[a-z]+=\d+ ?)+)", text)
    if not found:
        return None
    changes: dict[str, int | bool] = {}
    for name, value in re.findall(r"([a-z]+)=(\d+)", found.group(1)):
        kind = type(getattr(default, name, None))
        if kind in (bool, int):
            changes[name] = kind(int(value))
    return replace(default, **changes)
