"""Generated Triton against the reference in the interpreter, and through the compiler for a GPU that is not there."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.builtin.triton_plan import TritonPlan

ROOT = Path(__file__).parents[3]
OPERATORS = sorted((ROOT / "tests/fixtures/operators").glob("*.py"))
OFTEN = [path.stem for number, path in enumerate(OPERATORS) if number // 4 % 12 == 0]
SELDOM = [path.stem for number, path in enumerate(OPERATORS) if number // 4 % 12]
"""In the slow tests: the interpreter takes a second for some."""
BEYOND = {
    "emb_bag_modes": "uneven length",
    "gather_negative_bool_mask": "_local_scalar_dense",
    "scan_extreme_positions": "positions of maxima",
    "pool_unbatched_lp_indices": "positions of maxima",
}
"""Outside the families: the builtin model must say which operator it is, never compute it wrongly."""
USUAL = TritonPlan(dot=332)
PIECES = TritonPlan(
    block=64, tile=64, whole=16, sweep=16, lanes=8, sides=11, split=True, exact=True, fast=False, stream=True
)  # fmt: skip
"""Every row that can be is shared by programs."""
SWEPT = TritonPlan(block=64, tile=64, whole=16, sweep=64, lanes=8, sides=10, each=4)
"""Every row is swept."""
STRETCHES = TritonPlan(whole=16, sweep=512, lanes=32, split=True)
"""Threads of a scan run along several elements, and programs share its rows."""
OWN = {
    "own_products": """
import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Linear(96, 72, dtype=torch.bfloat16)
        self.narrow = nn.Parameter(torch.randn(96, 40).half())

    def forward(self, x, y):
        alone = x[0] @ self.up.weight.t(), torch.bmm(x.float(), x.float().mT), torch.bmm(x[..., :33], x[..., :33].mT)
        after = torch.relu(torch.bmm(x.float().mT[:, :30], x.float()[..., 7:59])) + 1
        fused = F.silu(self.up(x)) * y, torch.tanh((x.float() * 0.5).half().view(-1, 96) @ self.narrow + 1)
        return *fused, *alone, after


def get_inputs():
    return [torch.randn(5, 17, 96).bfloat16(), torch.randn(72).bfloat16()]
""",
    "own_convolution": """
import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, x):
        return F.max_pool2d(F.softplus(self.conv(x * 2)) + 1, 2)


def get_inputs():
    return [torch.randn(2, 3, 9, 10)]
""",
    "own_short_functions": """
import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def forward(self, x, y):
        return F.mish(x), F.gelu(y, approximate="tanh"), torch.tanh(x * 3) * torch.exp(-y.abs()), F.silu(x + y)


def get_inputs():
    x, y = torch.randn(2, 33, 70).half()
    x[:4] = torch.linspace(-60, 60, 280).view(4, 70)
    return [x, y]
""",
    "own_runs": """
import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.GroupNorm(2, 4, dtype=torch.float16)
        self.scale = nn.Parameter(torch.randn(4, 1))
        with torch.no_grad():
            self.norm.weight.normal_()

    def forward(self, x, y):
        wide = x.float()
        extremes = *torch.max(y, 1), y.argmin(1), *torch.min(y, 0)
        return F.silu(self.norm(x)), *extremes, (wide * self.scale).sum((1, 2)), (wide + self.scale).exp().mean()


def get_inputs():
    y = torch.randint(-3, 4, (4, 160)).float()
    y[0] = float("-inf")
    y[1] = float("inf")
    y[2, 100:] = float("nan")
    y[3, 1] = y[3, 150] = 9.0
    return [torch.randn(1, 4, 128).half(), y]
""",
    "own_losses": """
import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def forward(self, x, label):
        return F.cross_entropy(x, label), torch.logsumexp(x, 0), x.sum(), F.group_norm(x.view(4, 10, 50), 5)


def get_inputs():
    return [torch.randn(40, 50) + 1e4, torch.randint(0, 50, (40,))]
""",
    "own_exponentials": """
import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def forward(self, x):
        e = torch.exp(x - x.amax(-1, keepdim=True))
        return torch.softmax(x, -1), torch.logsumexp(x, -1), F.log_softmax(x, 0), torch.logsumexp(x, (0,)), e.sum(-1)


def get_inputs():
    x = torch.randn(23, 150) * 20
    x[3] = -float("inf")
    x[4, 3] = float("inf")
    x[5, :100] = -float("inf")
    x[6] = -500
    return [x]
""",
    "own_orders": """
import torch
from torch import nn


class Model(nn.Module):
    def forward(self, a, b, x, y, m):
        joined = torch.cat((x.permute(0, 3, 2, 1), -x.permute(0, 3, 2, 1)), 3)
        heads = y.view(2, 33, 4, 10).permute(0, 2, 3, 1).contiguous()
        table = torch.exp(a)[:3] * m.t()[:, None]
        rows = torch.softmax(b.t(), -1), x.permute(0, 3, 2, 1).amax(-1), x.transpose(1, 3).sum((2, 3))
        tokens = x.flatten(2).transpose(1, 2).half() + y
        return torch.maximum(a, b.t()) - 1, tokens, joined, heads, table, m.t() > 0, *rows


def get_inputs():
    matrices = [torch.randn(70, 37), torch.randn(37, 70)]
    return [*matrices, torch.randn(2, 40, 3, 11), torch.randn(2, 33, 40).half(), torch.randn(37, 18).double()]
""",
    "own_turned": """
import torch
from torch import nn


class Model(nn.Module):
    def forward(self, a, b, x, y):
        return torch.exp(a) + b.t(), x.permute(0, 2, 3, 1) * y


def get_inputs():
    image, pixels = torch.randn(2, 64, 8, 16).bfloat16(), torch.randn(2, 8, 16, 64).bfloat16()
    return [torch.randn(128, 64), torch.randn(64, 128), image, pixels]
""",
    "own_windows": """
import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def forward(self, x, y, z, m):
        pooled = F.max_pool2d(x, 3, 2, 1), F.max_pool2d(x, 2, 1), F.max_pool2d(x, (1, 5), 3, (0, 2), (1, 2))
        mean = torch.relu(F.avg_pool2d(y, 3, 1, 1, count_include_pad=False)) + y, F.avg_pool2d(y, 2), F.avg_pool2d(x, 3)
        pairs = z[..., ::2] * 3 - z[..., 1::2] * z[..., 1:2], m[:, 1::2] & m[:, ::2], z.flip(-1)[..., ::2] + z[..., ::2]
        place = torch.arange(16) == 5
        edges = (x[..., 1:] - x[..., :-1])[..., :12], place, F.max_pool1d(z.double(), 2), F.avg_pool1d(-z, 4, 4)
        return *pooled, *mean, *pairs, *edges, F.max_pool2d(x[..., :13], 3, 2, 1), F.max_pool2d(y.bfloat16(), 3, 1, 1)


def get_inputs():
    return [torch.randn(3, 5, 18, 24).half(), torch.randn(2, 3, 9, 16), torch.randn(7, 3, 32), torch.randn(5, 16) > 0]
""",
    "own_depthwise": """
import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.causal = nn.Conv1d(6, 6, 4, groups=6, padding=3)
        self.doubling = nn.Conv1d(6, 12, 3, groups=6, stride=2, padding=2, dilation=2, bias=False)
        self.large = nn.Conv2d(4, 4, (5, 7), padding=(2, 3), groups=4, dtype=torch.float16)
        self.narrow = nn.Conv1d(6, 6, 2, groups=6, dtype=torch.bfloat16)

    def forward(self, x, y):
        causal = F.silu(self.causal(x)[..., : x.shape[-1]])
        return causal, self.doubling(x), F.gelu(self.large(y)), self.narrow(x.bfloat16() * 2), self.causal(x).mean(-1)


def get_inputs():
    return [torch.randn(3, 6, 40), torch.randn(2, 4, 9, 16).half()]
""",
    "own_scans": """
import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x, y, n):
        sums = torch.cumsum(x * 2, 1)
        return sums, sums.relu() + x, torch.cummax(y, 0)[0], torch.cumsum(y.t(), 1), torch.cumsum(n, 0), n.cumprod(1)


def get_inputs():
    y = torch.randn(45, 5)
    y[20, 3], y[30, 1], y[31, 2] = float("inf"), float("nan"), -float("inf")
    return [torch.randn(2, 75, 20).bfloat16(), y, torch.randint(-2, 3, (45, 9))]
""",
    "own_nothing": """
import torch
from torch import nn


class Model(nn.Module):
    def forward(self, x, y):
        return x.relu() + 1, torch.softmax(y, -1)


def get_inputs():
    return [torch.randn(0, 5), torch.randn(3, 1)]
""",
}

pytestmark = [
    pytest.mark.torch,
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed here"),
]


def run(script: str, plan: TritonPlan, files: list[Path], folder: Path, **environment: str) -> list[dict]:
    folder.mkdir()
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name(script)), str(plan)]
    environment = {
        **os.environ,
        "KERNELWRIGHT_BUILD_DIR": str(folder),
        "TRITON_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    done = subprocess.run(
        [*command, *map(str, files)], capture_output=True, text=True, env=environment, timeout=280, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("own")
    files = [folder / f"{name}.py" for name in OWN]
    for file, text in zip(files, OWN.values(), strict=True):
        file.write_text(text)
    return files


@pytest.fixture(scope="module")
def outcomes(request, tmp_path_factory, own) -> dict[str, dict]:
    """Each file that a test is there for under one of the plans, in turn; some with unusual inputs too. Two processes
    at a time.
    """
    mine = [item for item in request.session.items if item.path == request.path]  # others have names of operators, too
    calls = (getattr(item, "callspec", None) for item in mine)
    wanted = {call.params["name"] for call in calls if call is not None and "name" in call.params}
    folder = tmp_path_factory.mktemp("interpreted")
    dressed = {"KERNELWRIGHT_DRESSED": "1"}
    scans = [file for file in own if file.stem == "own_scans"]
    swept = [file for file in own if file.stem in ("own_losses", "own_exponentials", "own_runs")]
    jobs = [
        (USUAL, [*own, *OPERATORS[0::4]], dressed),
        (PIECES, OPERATORS[1::4], {}),
        (SWEPT, swept, dressed),
        (SWEPT, OPERATORS[2::4], {}),
        (STRETCHES, scans, {}),
        (PIECES, scans, {}),
        (PIECES, OPERATORS[3::4], {}),
    ]

    def go(number: int) -> list[dict]:
        plan, files, more = jobs[number]
        files = [file for file in files if file.stem in wanted]
        return run("check_triton.py", plan, files, folder / str(number), TRITON_INTERPRET="1", **more) if files else []

    with ThreadPoolExecutor(2) as pool:
        found = [entry for entries in pool.map(go, range(len(jobs))) for entry in entries]
    return {entry["name"]: entry for entry in sorted(found, key=lambda entry: entry["outcome"] != "ok")}


@pytest.mark.parametrize("name", [*OWN, *OFTEN, *(pytest.param(name, marks=pytest.mark.slow) for name in SELDOM)])
def test_generated_kernels_agree_with_the_reference(outcomes, name):
    entry = outcomes[name]
    if name in BEYOND:
        assert entry["outcome"] == "unsupported"
        assert BEYOND[name] in entry["detail"]
    else:
        assert entry["outcome"] == "ok", entry["detail"]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory, own) -> list[tuple[Path, list[Path], list[dict]]]:
    """Some files under two plans: where what was compiled is kept, which files, and what came of each."""
    few = [path for path in OPERATORS[4::12] if path.stem not in BEYOND]
    folder = tmp_path_factory.mktemp("compiled")
    pieces = [file for file in own if file.stem in ("own_short_functions", "own_losses", "own_runs")]
    jobs = [(USUAL, own[:-1]), (USUAL, few), (PIECES, [*pieces, *few])]

    def go(number: int) -> tuple[Path, list[Path], list[dict]]:
        (plan, files), arch = jobs[number], {"KERNELWRIGHT_CUDA_ARCH": "sm_90"}
        entries = run("check_triton_compiles.py", plan, files, folder / str(number), **arch)
        return folder / str(number) / "cache", files, entries

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(go, range(len(jobs))))


def test_generated_kernels_are_compiled_without_a_gpu(compiled):
    for _, files, entries in compiled:
        assert len(entries) == len(files)
        assert [entry for entry in entries if entry["outcome"] != "ok"] == []


def test_what_lies_in_different_orders_is_read_and_written_by_vectors_along_its_own_memory(compiled):
    kept = [path for path in compiled[0][0].glob("*/k*.ttgir") if "/own_turned_compiled.py" in path.read_text()]
    assert {path.stem for path in kept} == {"k0", "k1"}
    for path in kept:
        accesses = re.findall(r"\b(ld|st)\.global(\S*)", path.with_suffix(".ptx").read_text())
        assert {kind for kind, _ in accesses} == {"ld", "st"}
        assert all(form.endswith(".v4.b32") for _, form in accesses)
        loads = re.findall(r"tt\.load .*tensor<\d\d+x\d\d+x!tt\.ptr<\w+>, (#\w+)>", path.read_text())
        assert len(set(loads)) == 2  # one order each
        assert path.read_text().count("ttg.convert_layout") == 1


def test_windows_are_read_by_wide_loads_and_taken_apart_in_registers(compiled):
    kept = [path for path in compiled[0][0].glob("*/k0.ttgir") if "/own_windows_compiled.py" in path.read_text()]
    assert len(kept) == 1
    text = kept[0].with_suffix(".ptx").read_text()
    assert not re.search(r"\.shared\.|shfl", text)
    accesses = re.findall(r"\b(?:ld|st)\.global\S*?((?:\.v\d)?\.b\d+) ", text)
    assert sorted(accesses) == [".b16"] * 3 + [".v2.b32"] + [".v4.b32"] * 3
