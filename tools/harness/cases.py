"""The input lists of a problem file, case by case. Runs inside a sandbox."""

from __future__ import annotations

from contextlib import nullcontext
from types import ModuleType
from typing import Any

import torch

from tools.harness.faults import Fault, blamed_on
from tools.harness.tensors import pack
from tools.harness.values import map_tensors


def draw_cases(module: ModuleType, device: torch.device) -> dict[str, list[Any]]:
    """Input lists by case name, on the device. Raises Fault."""
    # Factories that name no device make their tensors where they are needed: drawing and moving gigabytes takes
    # minutes.
    here = nullcontext() if device.type == "cpu" else device
    if hasattr(module, "get_cases"):
        with blamed_on("get_cases()"), here:
            cases = module.get_cases()
        if not isinstance(cases, dict) or not cases:
            raise Fault("get_cases() must return a dict of case name to input list, with at least one case")
    else:
        with blamed_on("get_inputs()"), here:
            cases = {"default": module.get_inputs()}
    source = "get_cases()" if hasattr(module, "get_cases") else "get_inputs()"
    found = {}
    for name, inputs in cases.items():
        if not isinstance(name, str) or not isinstance(inputs, list | tuple):
            raise Fault(f"{source} must give lists of inputs, not a {type(inputs).__name__}")
        with blamed_on(source):
            found[name] = map_tensors(list(inputs), lambda tensor: tensor.to(device))
            map_tensors(found[name], lambda tensor: pack(tensor)[1])
    return found
