"""Runs problem files as a judge would load them; what they do, as JSON. A program: torch stays out of the tests.

python run_problems.py FOLDER
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import torch


def told(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return [str(value.dtype).removeprefix("torch."), list(value.shape)]
    if isinstance(value, dict):
        return {name: told(item) for name, item in value.items()}
    return [told(item) for item in value] if isinstance(value, list | tuple) else repr(value)


def tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    return [one for item in value for one in tensors(item)] if isinstance(value, list | tuple) else []


def drawn(module: Any, seed: int) -> Any:
    torch.manual_seed(seed)
    return module.get_cases()


def run(path: Path) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location(path.stem.replace(".", "_"), path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        first, again, other = (drawn(module, seed) for seed in (1, 1, 2))
        model = module.Model(*module.get_init_inputs())
        found = {}
        for name, inputs in first.items():
            before = [one.clone() for one in tensors(inputs)]
            answer = model(*inputs)
            found[name] = {
                "inputs": told(inputs),
                "values": [one.flatten()[:4].tolist() for one in tensors(inputs) if not one.is_floating_point()],
                "answer": told(answer) if isinstance(answer, torch.Tensor) else {"tuple": told(answer)},
                "answers": [one.flatten()[:4].tolist() for one in tensors(answer)],
                "repeats": all(map(torch.equal, before, tensors(again[name]))),
                "varies": not all(map(torch.equal, before, tensors(other[name]))),
            }
    except Exception as error:  # noqa: BLE001 - whatever a problem raises is what there is to tell
        return {"error": f"{type(error).__name__}: {error}"}
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps({path.stem: run(path) for path in sorted(Path(sys.argv[1]).glob("*.py"))}))
