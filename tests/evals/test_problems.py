"""The workloads run: one process imports torch and calls every reference of the suite once."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest

from evals.suite import load_suite

RUN_ALL = """
import importlib.util, json, sys, warnings
import torch

warnings.simplefilter("error")

def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value
    return [tensor for item in items for tensor in tensors(item)]

def size(values):
    return sum(value.nbytes for value in values)

for path in json.loads(sys.stdin.read()):
    spec = importlib.util.spec_from_file_location("problem", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    model = module.Model(*module.get_init_inputs())
    inputs = module.get_inputs()
    with torch.no_grad():
        outputs = tensors(model(*inputs))
    state = list(model.state_dict().values())
    print(json.dumps({
        "finite": all(bool(torch.isfinite(value).all()) for value in outputs),
        "bytes": size(tensors(inputs)) + size(state) + size(outputs),
        "varies": any(float(value.double().std()) > 0 for value in outputs if value.numel() > 1) or
                  all(value.numel() == 1 for value in outputs),
        "dtypes": sorted({str(value.dtype) for value in tensors(inputs) if value.is_floating_point()}),
    }), flush=True)
"""


@pytest.mark.torch
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed here")
def test_every_reference_runs(repository):
    suite = load_suite("cpu")
    paths = [str(repository / "evals" / "problems" / "cpu" / f"{item.name}.py") for item in suite.problems]
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL], input=json.dumps(paths), capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, f"after {len(lines)} problems: {done.stderr[-2000:]}"
    found = {item.name: json.loads(line) for item, line in zip(suite.problems, lines, strict=True)}
    assert [name for name, facts in found.items() if not facts["finite"]] == []
    assert [name for name, facts in found.items() if not facts["varies"]] == []
    # Big enough to be work, small enough for a machine with 8 GB.
    assert [name for name, facts in found.items() if not 1e6 < facts["bytes"] < 400e6] == []
    assert sum("torch.bfloat16" in facts["dtypes"] for facts in found.values()) == 2
