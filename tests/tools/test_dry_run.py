"""Triton's kernels compiled on processors, for a GPU that is not there."""

import importlib.util
import json
import subprocess
import sys

import pytest

from tools.languages.triton import TRITON_GUIDE

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None or importlib.util.find_spec("torch") is None,
    reason="triton is not installed here; `make setup` installs it, so CI runs this",
)

SCRIPT = """
import json, sys
from tools.harness.dry_run import compile_kernels
from tools.harness.subject import load_module

module = load_module(sys.argv[1], "candidate")
print(compile_kernels(module.ModelNew(), json.loads(sys.argv[2]), open(sys.argv[1]).read()))
"""
FORM = {"spec": {"list": [{"tensor": 0}]}, "tensors": [["float32", [128, 64], [64, 1], 8192]]}


def source_of(guide: str) -> str:
    begin = guide.index("```python\n") + len("```python\n")
    return guide[begin : guide.rindex("```")]


def compiled(tmp_path, source: str, arch: str = "sm_90") -> tuple[str, list[str]]:
    file = tmp_path / "candidate.py"
    file.write_text(source)
    cache = tmp_path / "cache"
    env = {
        "KERNELWRIGHT_CUDA_ARCH": arch,
        "TRITON_CACHE_DIR": str(cache),
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
    }
    argv = [sys.executable, "-c", SCRIPT, str(file), json.dumps([FORM])]
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), sorted(item.name for item in cache.rglob("*.cubin"))


def test_the_example_of_the_guide_is_compiled_without_a_gpu(tmp_path):
    told, files = compiled(tmp_path, source_of(TRITON_GUIDE))
    assert told == "compiled for sm_90: relu_kernel"
    assert files == ["relu_kernel.cubin"]


def test_every_configuration_of_an_autotuned_kernel_is_compiled(tmp_path):
    tuned = "@triton.autotune([triton.Config({'BLOCK': 256}), triton.Config({'BLOCK': 512})], key=['n'])\n@triton.jit"
    source = source_of(TRITON_GUIDE).replace("@triton.jit", tuned).replace(", BLOCK=1024, num_warps=4", "")
    told, files = compiled(tmp_path, source)
    assert told == "compiled for sm_90: relu_kernel"
    assert len(files) == 2


def test_who_looks_at_values_is_compiled_later(tmp_path):
    source = source_of(TRITON_GUIDE).replace("n = x.numel()", "n = int(x.sum())")
    told, files = compiled(tmp_path, source)
    assert told.startswith("not all kernels could be compiled beforehand")
    assert not files


def test_a_mistake_in_a_kernel_is_told_and_is_nobodys_end(tmp_path):
    told, _ = compiled(tmp_path, source_of(TRITON_GUIDE).replace("tl.where(", "tl.nowhere("))
    assert "nowhere" in told


def test_who_uses_no_triton_is_not_looked_at(tmp_path):
    told, _ = compiled(tmp_path, "import torch\nclass ModelNew(torch.nn.Module):\n    pass\n")
    assert told == ""
