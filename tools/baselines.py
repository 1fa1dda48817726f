"""What candidates have to beat: the reference as people run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.devices import Device

EAGER = "eager"
COMPILED = "torch.compile"
AUTOTUNED = "torch.compile max-autotune"


@dataclass(frozen=True)
class Recipe:
    """How a baseline is made of the reference."""

    name: str
    is_compiled: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    """For ``torch.compile``."""


_RECIPES = (
    Recipe(EAGER),
    Recipe(COMPILED, is_compiled=True),
    # Without CUDA graphs: with them an answer is overwritten by the next call, which no candidate may do either.
    Recipe(AUTOTUNED, is_compiled=True, options={"mode": "max-autotune-no-cudagraphs"}),
)


def recipes(device: Device | None, *, compiled: bool = True, autotuned: bool = True) -> dict[str, Recipe]:
    """By name, for the host or a device. What max-autotune tunes is there on devices only."""
    names = [EAGER]
    if compiled:
        names.append(COMPILED)
    if compiled and autotuned and device is not None and device.kind == "cuda":
        names.append(AUTOTUNED)
    return {recipe.name: recipe for recipe in _RECIPES if recipe.name in names}
