"""The candidates that benchmarks judge on a GPU, tried without one: in Triton's interpreter."""

import importlib.util
import subprocess
import sys

import pytest

from evals.gpu_programs import TRITON_GELU, TRITON_SOFTMAX

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None or importlib.util.find_spec("torch") is None,
    reason="triton is not installed here; `make setup` installs it, so CI runs this",
)

SCRIPT = """
import sys, torch
from tools.harness.subject import load_module

model = load_module(sys.argv[1], "candidate").ModelNew()
torch.manual_seed(0)
x = torch.randn(3, 5000) * 4
x[0, 7], x[1, 9], x[2, 11] = float("nan"), float("inf"), -float("inf")
truth = {"gelu": lambda x: torch.nn.functional.gelu(x, approximate="tanh"), "softmax": lambda x: x.softmax(1)}
want = truth[sys.argv[2]](x.double()).float()
got = model(x)
assert torch.equal(got.isnan(), want.isnan()), (got.isnan().sum(), want.isnan().sum())
assert (got - want).nan_to_num(0, 0, 0).abs().max() <= 2e-6 * want.nan_to_num(0, 0, 0).abs().max(), (got - want)
assert torch.equal(model(x.t().contiguous().t()).nan_to_num(), got.nan_to_num())
assert model(x[:0]).shape == (0, 5000)
"""


@pytest.mark.parametrize(("name", "source"), [("gelu", TRITON_GELU), ("softmax", TRITON_SOFTMAX)])
def test_they_are_right(tmp_path, name, source):
    file = tmp_path / "candidate.py"
    file.write_text(source)
    env = {"TRITON_INTERPRET": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    argv = [sys.executable, "-c", SCRIPT, str(file), name]
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
