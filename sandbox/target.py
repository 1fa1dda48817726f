"""Targets: the chips code can be made for, and how well each language is proven on each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from sandbox.errors import TargetUnknown

Status = Literal["available", "planned"]
Evidence = Literal["measured", "emulated", "proxy", "compiled"]


@dataclass(frozen=True, order=True)
class Target:
    """A chip: a family, and an architecture within it where the family has several.

    ``Target.parse`` and ``str`` are inverses: ``cpu``, ``cuda:sm90``, ``rocm:gfx942``.
    """

    family: str
    architecture: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The target ``text`` names. Raises TargetUnknown, naming those that are known."""
        family, _, architecture = text.partition(":")
        target = cls(family, architecture)
        if target not in _CHIPS or str(target) != text:
            known = ", ".join(map(str, _CHIPS))
            raise TargetUnknown(f"unknown target {text!r}; the known ones are {known}")
        return target

    def __str__(self) -> str:
        return f"{self.family}:{self.architecture}" if self.architecture else self.family

    @property
    def chip(self) -> str:
        """What people call it."""
        return _CHIPS.get(self, "unknown chip")

    @property
    def support(self) -> tuple[Support, ...]:
        """The rows of the matrix for this target."""
        return tuple(row for row in MATRIX if row.target == self)


@dataclass(frozen=True)
class Support:
    """One cell of the matrix: a language on a target."""

    target: Target
    language: str
    status: Status
    evidence: Evidence
    """How results for it are obtained, or will be while it is planned."""


_CHIPS: dict[Target, str] = {
    Target("cpu"): "any x86-64 or Arm CPU",
    Target("cuda", "sm80"): "NVIDIA A100",
    Target("cuda", "sm89"): "NVIDIA L4, L40S, RTX 40",
    Target("cuda", "sm90"): "NVIDIA H100, H200",
    Target("cuda", "sm100"): "NVIDIA B200",
    Target("rocm", "gfx90a"): "AMD MI210, MI250X",
    Target("rocm", "gfx942"): "AMD MI300X",
    Target("rocm", "gfx950"): "AMD MI355X",
    Target("riscv", "rv64gcv"): "RISC-V with vectors, the stand-in for MTIA-class chips",
}

TARGETS: tuple[Target, ...] = tuple(_CHIPS)
"""Every known target, in the order in which it is shown."""


def _planned(family: str, **languages: Evidence) -> list[Support]:
    chips = [target for target in TARGETS if target.family == family]
    return [Support(target, name, "planned", level) for target in chips for name, level in languages.items()]


MATRIX: tuple[Support, ...] = (
    Support(Target("cpu"), "cpp", "available", "measured"),
    Support(Target("cpu"), "python", "available", "measured"),
    Support(Target("cpu"), "triton", "planned", "proxy"),
    *(Support(Target("cuda", "sm90"), name, "available", "measured") for name in ("triton", "cuda", "python")),
    # Compiled for it, and the examples not yet measured there; `make test-gpu` is what shows more.
    Support(Target("cuda", "sm90"), "cute", "available", "compiled"),
    Support(Target("cuda", "sm90"), "hip", "planned", "proxy"),
    *(
        row
        for row in _planned("cuda", triton="measured", cuda="measured", python="measured", cute="measured", hip="proxy")
        if row.target.architecture != "sm90"
    ),
    *_planned("rocm", triton="compiled", hip="compiled", flydsl="compiled"),
    *_planned("riscv", cpp="emulated"),
)
"""Target x language. Only what runs today is ``available``."""


def usual_language(target: Target) -> str:
    """What is written for a target if nobody says otherwise: its first available row."""
    return next((row.language for row in target.support if row.status == "available"), "cpp")


def support_of(target: Target, language: str) -> Support | None:
    """The cell for ``language`` on ``target``, or None where nothing is even planned."""
    return next((row for row in MATRIX if row.target == target and row.language == language), None)
