"""What candidates have to beat: the reference as people run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.devices import Device

EAGER = "eager"
COMPILED = "torch.compile"
AUTOTUNED = "torch.compile max-autotune"
TF32 = " TF32"
"""After a baseline's name: the same in that precision."""


@dataclass(frozen=True)
class Recipe:
    """How a baseline is made of the reference."""

    name: str
    is_compiled: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    """For ``torch.compile``."""
    tf32: bool = False
    """Products of float32 in TF32, of convolutions too. Only under ``tolerance``, and only where it meets that."""


_RECIPES = (
    Recipe(EAGER),
    Recipe(COMPILED, is_compiled=True),
    # Without CUDA graphs: with them an answer is overwritten by the next call, which no candidate may do either.
    Recipe(AUTOTUNED, is_compiled=True, options={"mode": "max-autotune-no-cudagraphs"}),
    Recipe(f"{EAGER}{TF32}", tf32=True),
    Recipe(f"{AUTOTUNED}{TF32}", is_compiled=True, options={"mode": "max-autotune-no-cudagraphs"}, tf32=True),
    Recipe(f"{COMPILED}{TF32}", is_compiled=True, tf32=True),
)


def recipes(
    device: Device | None, *, compiled: bool = True, autotuned: bool = True, tolerance: bool = False
) -> dict[str, Recipe]:
    """By name, for the host or a device. What max-autotune tunes is there on devices only.

    ``tolerance``: the licence states a bound, and whatever meets it counts, for baselines as for candidates.
    """
    on_gpu = device is not None and device.kind == "cuda"
    names = [EAGER]
    if compiled:
        names.append(COMPILED)
    if compiled and autotuned and on_gpu:
        names.append(AUTOTUNED)
    if tolerance and on_gpu:
        names += [f"{name}{TF32}" for name in names]
    return {recipe.name: recipe for recipe in _RECIPES if recipe.name in names}
