"""What candidates are given: secret draws of a case's inputs, and what the trusted side makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tools.harness.licence import Expected

PackedJson = list[Any]
"""A tensor as it travels: dtype, shape, stride, elements of the stretch of storage it spans."""


@dataclass(frozen=True)
class Manners:
    """What the reference does with the inputs of a case, and a candidate therefore may do too."""

    mutates: bool = False
    """It writes to them."""


@dataclass(frozen=True)
class Draw:
    """One secret draw of a case's inputs. Held by the controller until the moment of the call."""

    case: str
    spec: Any
    packed: tuple[PackedJson, ...]
    inputs: tuple[bytearray, ...]
    seed: int

    @property
    def input_bytes(self) -> int:
        """Size of the inputs."""
        return sum(map(len, self.inputs))


@dataclass(frozen=True)
class InputSet(Draw):
    """A draw with what the oracle and eager made of it, which no candidate ever holds."""

    structure: bytes
    expected: tuple[Expected, ...]
    dress: str | None = None
    rows: int | None = None
    """Cut to so many, or whole."""
    gives_views: bool = False
    """The reference's outputs lie in the memory of its inputs, and a candidate's may too."""

    @property
    def output_bytes(self) -> int:
        """Size of the outputs."""
        return sum(item.leaf.size_bytes for item in self.expected)

    @property
    def held_bytes(self) -> int:
        """What it takes to keep it: inputs, and both answers to them."""
        return self.input_bytes + sum(len(item.eager) + len(item.oracle) for item in self.expected)
