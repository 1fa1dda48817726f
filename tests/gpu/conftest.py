"""A judge of ReLU on the GPU that is here; without one the tests are skipped, and say so."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from sandbox.devices import find_devices
from sandbox.opening import open_sandbox
from tools.judging import SandboxedJudge
from tools.problem import JudgeSettings, Problem

RELU = """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x)

def get_inputs():
    return [torch.randn(16384, 4096)]

def get_init_inputs():
    return []
"""
SETTINGS = JudgeSettings(blocks=6, compiled=False, close_call_s=0, stage_timeout_s=20, memory_bytes=16 << 30)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxedJudge]:
    devices = find_devices()
    if not devices:
        pytest.skip("no NVIDIA GPU answers here; make test-gpu is for machines with one")
    sandbox = open_sandbox(None)
    folder, target = tmp_path_factory.mktemp("judge"), f"cuda:{devices[0].architecture}"
    try:
        with closing(SandboxedJudge(Problem("relu", RELU), sandbox, SETTINGS, folder, target=target)) as judge:
            yield judge
    finally:
        sandbox.close()
