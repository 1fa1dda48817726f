"""What candidates have to beat: the reference as people run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.devices import Device

EAGER = "eager"
COMPILED = "torch.compile"
AUTOTUNED = "torch.compile max-autotune"
CHANNELS_LAST = " channels-last"
"""After a baseline's name: the same in that layout."""
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
    channels_last: bool = False
    """The model in channels-last layout. Its inputs are given as they are: converting them is part of a call, and so is
    making what it answers contiguous, as for every contender.
    """


_RECIPES = (
    Recipe(EAGER),
    Recipe(COMPILED, is_compiled=True),
    # Without CUDA graphs: with them an answer is overwritten by the next call, which no candidate may do either.
    Recipe(AUTOTUNED, is_compiled=True, options={"mode": "max-autotune-no-cudagraphs"}),
    Recipe(f"{EAGER}{CHANNELS_LAST}", channels_last=True),
    Recipe(f"{COMPILED}{CHANNELS_LAST}", is_compiled=True, channels_last=True),
    Recipe(f"{EAGER}{TF32}", tf32=True),
    Recipe(f"{AUTOTUNED}{TF32}", is_compiled=True, options={"mode": "max-autotune-no-cudagraphs"}, tf32=True),
    Recipe(f"{COMPILED}{TF32}", is_compiled=True, tf32=True),
    Recipe(f"{EAGER}{CHANNELS_LAST}{TF32}", tf32=True, channels_last=True),
    Recipe(f"{COMPILED}{CHANNELS_LAST}{TF32}", is_compiled=True, tf32=True, channels_last=True),
)


def has_channels_last(graph: Mapping[str, Any] | None) -> bool:
    """Whether the layout means anything to an operator graph: a convolution in two or three dimensions.

    Pools and norms beside one follow it; by themselves they gain nothing that pays for converting their input.
    """
    nodes = graph["nodes"] if graph is not None else ()
    return any("convolution" in node["op"] and len(node.get("shape") or ()) in (4, 5) for node in nodes)


def channels_last_recipes(
    device: Device | None, *, compiled: bool = True, tolerance: bool = False
) -> dict[str, Recipe]:
    """By name, for a graph that has use of them.

    The host gets one: of six convolutions, compiled ones in this layout were the fastest or as fast in five, eager ones
    in this layout never (torch 2.13, 2 cores with AMX, 2026-11-29); each more costs every judgement a process and its
    windows. A device drops those that are clearly slower after a few calls.
    """
    on_gpu = device is not None and device.kind == "cuda"
    names = [f"{COMPILED}{CHANNELS_LAST}"] if compiled else [f"{EAGER}{CHANNELS_LAST}"]
    if on_gpu and compiled:
        names.insert(0, f"{EAGER}{CHANNELS_LAST}")
    if tolerance and on_gpu:
        names += [f"{name}{TF32}" for name in names]
    return {recipe.name: recipe for recipe in _RECIPES if recipe.name in names}


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
