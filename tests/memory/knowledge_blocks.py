"""Runs a document's Triton and torch blocks: in Triton's interpreter, or compiled for a GPU that is not there.

Usage: python knowledge_blocks.py run|gpu|compile, with blocks as JSON (name to text) on standard input. It prints JSON,
name to what was seen. A process of its own: triton chooses its interpreter by the environment when it is imported.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as nn


def normal(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def with_nan(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x.view(-1)[1] = float("nan")
    return x


def depthwise(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    taps = weight.shape[-1]
    return nn.conv1d(nn.pad(x, (taps - 1, 0)), weight.reshape(-1, 1, taps), groups=weight.shape[0])


INDEX = torch.tensor([3, 0, 3, -1, 2])
CHECKS: dict[str, tuple[Callable[..., torch.Tensor], list[tuple[torch.Tensor, ...]]]] = {
    "row_softmax": (
        lambda x: torch.softmax(x, -1),
        [(normal(5, 100),), (normal(1, 1),), (normal(0, 4),), (with_nan(normal(3, 7)),), (normal(2, 9) * 1e4,)],
    ),
    "matmul_half": (torch.mm, [(normal(70, 33, dtype=torch.float16), normal(33, 65, dtype=torch.float16))]),
    "column_sum": (lambda x: x.sum(0), [(normal(77, 40),), (normal(0, 3),)]),
    "linear_relu": (
        lambda x, w, b: torch.relu(nn.linear(x.float(), w.float(), b.float())).half(),
        [(normal(33, 40, dtype=torch.float16), normal(50, 40, dtype=torch.float16), normal(50, dtype=torch.float16))],
    ),
    "row_cumsum": (lambda x: x.cumsum(-1), [(normal(3, 2500),), (normal(0, 3),)]),
    "gather_rows": (lambda table, index: table[index], [(normal(4, 300), INDEX)]),
    "causal_depthwise": (depthwise, [(normal(2, 3, 300), normal(3, 4))]),
    "row_variance": (lambda x: x.var(-1, unbiased=False), [(normal(4, 100) + 50,), (normal(0, 4),)]),
}
"""By the name of a block's host function: what it should give, and on what it is tried."""


def load(name: str, text: str) -> types.ModuleType:
    """A module from a file: triton reads its kernels' source."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["TMPDIR"]))
    file = folder / "block.py"
    file.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("block_" + name.translate(str.maketrans("/-#", "___")), file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def hosts(module: types.ModuleType) -> list[str]:
    return [name for name in CHECKS if callable(getattr(module, name, None))]


def run(module: types.ModuleType, device: str = "cpu") -> list[str]:
    """Compare with the reference; what differs is an AssertionError with the numbers."""
    for name in hosts(module):
        reference, cases = CHECKS[name]
        for case in cases:
            arguments = [tensor.to(device) for tensor in case]
            given, wanted = getattr(module, name)(*arguments), reference(*arguments)
            loose = 1e-2 if wanted.dtype == torch.float16 else 2e-5
            torch.testing.assert_close(given, wanted, rtol=loose, atol=loose, equal_nan=True)
    return hosts(module)


def build(module: types.ModuleType) -> list[str]:
    """Compile for the architecture in KERNELWRIGHT_CUDA_ARCH, as the judge's build does."""
    from tools.harness.dry_run import compile_kernels

    told = []
    for name in hosts(module):
        arguments = CHECKS[name][1][0]
        model = torch.nn.Module()
        model.forward = getattr(module, name)
        tensors = [[str(x.dtype)[6:], list(x.shape), list(x.stride()), x.numel()] for x in arguments]
        spec = {"list": [{"tensor": number} for number in range(len(arguments))]}
        told.append(compile_kernels(model, [{"spec": spec, "tensors": tensors}], inspect.getsource(module)))
    return told


if __name__ == "__main__":
    work = {"run": run, "gpu": lambda module: run(module, "cuda"), "compile": build}[sys.argv[1]]
    blocks = json.loads(sys.stdin.read())
    sys.stdout.write(json.dumps({name: work(load(name, text)) for name, text in blocks.items()}))
