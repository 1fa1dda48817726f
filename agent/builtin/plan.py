"""What the builtin model may vary: one frozen value that prints and parses itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Plan:
    """Choices of one candidate. Everything that changes the text of a kernel is here."""

    block: int = 1024
    """Elements of a row handled between two folds of an accumulator; also the unit of parallel work."""
    tile: int = 256
    """Neighbouring rows handled at once where rows lie across memory."""
    cache: bool = True
    """Keep costly values of one pass for the next instead of computing them again."""
    stream: bool = False
    """Write results past the cache (non-temporal stores)."""
    recycle: bool = True
    """Take the memory of large results from earlier ones that nobody holds any more."""
    fast: bool = True
    """Shorter exponential where the argument cannot be positive, and quicker tanh and erf."""
    exact: bool = False
    """Sum in double from the first element."""
    threads: int = 0
    """0: all."""
    split: bool = False
    """Share one row among the threads even where there are enough rows."""

    def __str__(self) -> str:
        changed = [f"{f.name}={int(getattr(self, f.name))}" for f in fields(self)]
        return "plan " + " ".join(changed)

    def but(self, **changes: object) -> Plan:
        """The same with some choices changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def parse_plan(text: str) -> Plan | None:
    """Inverse of ``str``; None where there is no plan in the text. Unknown or missing choices are defaults."""
    found = re.search(r"\bplan ((?:[a-z]+=\d+ ?)+)", text)
    if not found:
        return None
    default = Plan()
    changes: dict[str, int | bool] = {}
    for name, value in re.findall(r"([a-z]+)=(\d+)", found.group(1)):
        kind = type(getattr(default, name, None))
        if kind in (bool, int):
            changes[name] = kind(int(value))
    return replace(default, **changes)  # type: ignore[arg-type]
