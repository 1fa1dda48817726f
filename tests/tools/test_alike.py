"""Comparing all calls of a window at once, as the verifier of a device does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.harness.licence import Licence
from tools.harness.wire import Leaf
from tools.harness.yardstick import NO_YARDSTICK

pytestmark = pytest.mark.torch
SIZE = 5000


def raws(*tensors):
    import torch

    return [tensor.reshape(-1).view(torch.uint8) for tensor in tensors]


NATIVE = Licence()


def alike(calls, *dtypes, licence=NATIVE, size=SIZE, excused=()):
    from tools.harness.alike import Terms, are_alike

    leaves = [Leaf(dtype, (size,)) for dtype in dtypes]
    terms = Terms(licence, leaves, [NO_YARDSTICK] * len(leaves), has_oracle=True, excused=excused)
    return are_alike(calls, terms)


@pytest.fixture
def lot():
    import torch

    torch.manual_seed(1)
    return torch


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_of_each_call_of_a_window_it_is_told_whether_its_answer_is_near(lot, dtype):
    truth = [lot.randn(SIZE).to(getattr(lot, dtype)) for _ in range(4)]
    wrong = truth[2].clone()
    wrong[7] += 1
    missing = truth[3].clone()
    missing[-1] = float("nan")
    answers = [truth[0].clone(), truth[1] * (1 + 1e-7), wrong, missing]
    calls = [(raws(mine), raws(theirs)) for mine, theirs in zip(answers, truth, strict=True)]
    assert alike(calls, dtype) == [True, True, False, False]


def test_a_small_error_all_over_is_not_near(lot):
    truth = lot.randn(SIZE)
    assert alike([(raws(truth * (1 + 1e-4)), raws(truth))], "float32") == [False]


def test_all_leaves_have_to_be(lot):
    floats, wholes = lot.randn(SIZE), lot.randint(0, 9, (SIZE,))
    off = wholes.clone()
    off[3] += 1
    calls = [(raws(floats, wholes), raws(floats, wholes)), (raws(floats, off), raws(floats, wholes))]
    assert alike(calls, "float32", "int64") == [True, False]
    assert alike(calls, "float32", "int64", excused=[0, 1]) == [True, True]
    off[4] += 1
    assert alike(calls, "float32", "int64", excused=[9, 1]) == [True, False]


def test_what_cannot_be_read_quickly_is_compared(lot):
    """NaN in the same places: a difference is none, and the answer right."""
    truth = lot.randn(SIZE)
    truth[5] = float("nan")
    assert alike([(raws(truth.clone()), raws(truth))], "float32") == [True]
    assert alike([(raws(truth.double()), raws(truth.double()))], "float64") == [True]


def test_under_a_tolerance_the_tolerance_decides(lot):
    truth = lot.randn(SIZE)
    near = raws(truth + 1e-3), raws(truth)
    assert alike([near], "float32", licence=Licence("tolerance", 1e-2, 0.0)) == [True]
    assert alike([near], "float32", licence=Licence("tolerance", 1e-4, 0.0)) == [False]


def test_an_answer_of_another_form_is_not_alike(lot):
    truth = lot.randn(SIZE)
    assert alike([(raws(truth[:-1]), raws(truth)), (raws(), raws(truth))], "float32") == [False, False]


def test_nothing_to_compare_is_alike(lot):
    assert alike([(raws(lot.empty(0)), raws(lot.empty(0)))], "float32", size=0) == [True]


def test_the_kernel_reads_what_torch_does():
    script = Path(__file__).with_name("differences_script.py")
    env = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, str(script)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 15
    for kernels, torchs in rows:
        assert kernels == pytest.approx(torchs, rel=1e-5, nan_ok=False)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Triton's, of what its next release will do
def test_the_kernel_compiles_for_a_gpu():
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from tools.harness.differences import BLOCK
    from tools.harness.differences_kernel import differences_kernel

    for dtype in ("fp32", "fp16", "bf16"):
        kinds = {"x_ptr": f"*{dtype}", "y_ptr": f"*{dtype}", "found_ptr": "*fp32", "count": "i64", "BLOCK": "constexpr"}
        source = ASTSource(differences_kernel, kinds, {(4,): BLOCK})
        built = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 8})
        assert built.asm["cubin"]
