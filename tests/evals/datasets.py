"""Small datasets in the formats of FlashInfer-Trace and SOL-ExecBench, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RMS = """import torch


@torch.no_grad()
def run(x, weight, eps):
    wide = x.to(torch.float32)
    return (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype) * weight
"""


def definition(**changes: Any) -> dict[str, Any]:
    """Of an RMS norm; ``changes`` replace fields, None takes them away."""
    whole = {
        "name": "rmsnorm_h16",
        "op_type": "rmsnorm",
        "description": "Rows over their root mean square.",
        "tags": ["status:verified"],
        "axes": {"rows": {"type": "var", "description": None}, "hidden": {"type": "const", "value": 16}},
        "inputs": {
            "x": {"shape": ["rows", "hidden"], "dtype": "bfloat16", "description": "the rows"},
            "weight": {"shape": ["hidden"], "dtype": "bfloat16"},
            "eps": {"shape": None, "dtype": "float32"},
        },
        "outputs": {"y": {"shape": ["rows", "hidden"], "dtype": "bfloat16"}},
        "reference": RMS,
        "constraints": [],
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def simple(reference: str, inputs: dict[str, str], outputs: int = 1, **changes: Any) -> dict[str, Any]:
    """A definition over rows of 16; ``inputs``: name to dtype."""
    made = {name: {"shape": ["rows", "hidden"], "dtype": dtype} for name, dtype in inputs.items()}
    given = {f"out{number}": {"shape": ["rows", "hidden"], "dtype": "float32"} for number in range(outputs)}
    return definition(**{"reference": reference, "inputs": made, "outputs": given, **changes})


def workload(rows: int = 3, **changes: Any) -> dict[str, Any]:
    """Of ``definition()``."""
    inputs = {"x": {"type": "random"}, "weight": {"type": "random"}, "eps": {"type": "scalar", "value": 1e-6}}
    whole = {"uuid": f"rows-{rows}", "axes": {"rows": rows}, "inputs": inputs, **changes}
    return {name: value for name, value in whole.items() if value is not None}


def fitting(given: dict[str, Any], kind: str = "random", **changes: Any) -> dict[str, Any]:
    """A workload whose inputs are all of one kind."""
    return workload(inputs={name: {"type": kind} for name in given["inputs"]}, **changes)


def lay_flashinfer(root: Path, given: dict[str, Any], *workloads: dict[str, Any]) -> Path:
    """Into a dataset of FlashInfer-Trace; its folder."""
    family, name = given.get("op_type", "other"), given["name"]
    write(root / "definitions" / family / f"{name}.json", json.dumps(given))
    lines = [{"definition": name, "solution": None, "workload": one, "evaluation": None} for one in workloads]
    write(root / "workloads" / family / f"{name}.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    return root


def lay_sol(root: Path, given: dict[str, Any], *workloads: dict[str, Any], place: str = "L1/001_rms_norm") -> Path:
    """Into a dataset of SOL-ExecBench; its folder."""
    write(root / place / "definition.json", json.dumps(given))
    write(root / place / "workload.jsonl", "".join(json.dumps(one) + "\n" for one in workloads))
    write(root / place / "reference.py", given["reference"])
    return root


def write(path: Path, text: str) -> None:
    """With the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
