"""What a waiting worker compiles beforehand leaves nothing behind, and changes nothing for its candidate."""

import os
import subprocess
import sys

import pytest

from tests.tools.test_dry_run import pytestmark as needs_triton

pytestmark = needs_triton

SCRIPT = """
import sys
from pathlib import Path
from tools.harness.warming import warm_up
import os

import torch

if sys.argv[1] != "build":  # who builds does not see the device; whoever else begins something on it fails
    torch.accelerator.current_accelerator = lambda *asked: "cuda"
was = os.environ["TRITON_CACHE_DIR"]
warm_up(sys.argv[1])
import triton
from triton.runtime.jit import JITFunction

cubins = sorted(item.name for item in Path(was).rglob("*.cubin"))
print(os.environ["TRITON_CACHE_DIR"] == was, triton.runtime.driver._active, JITFunction.run.__module__, cubins)
print("sympy" in sys.modules)
"""


def warmed(tmp_path, what: str, arch: str = "sm_90") -> list[str]:
    env = {
        "KERNELWRIGHT_CUDA_ARCH": arch,
        "TRITON_CACHE_DIR": str(tmp_path / "cache"),
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
    }
    argv = [sys.executable, "-c", SCRIPT, what]
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "nothing could be compiled" not in done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(("what", "compiles"), [("build", True), ("run", False)])
def test_nothing_is_left_behind(tmp_path, what, compiles):
    left, modules = warmed(tmp_path, what)
    assert left == "True None triton.runtime.jit []"
    assert modules == str(compiles)


def test_who_verifies_has_its_comparison_compiled_beforehand(tmp_path):
    left, _ = warmed(tmp_path, "verify")
    assert left == f"True None triton.runtime.jit {['differences_kernel.cubin'] * 3}"
