"""The second opinion is a real judge's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from agent.settings import AgentSettings
from evals.rejudging import rejudge
from sandbox.base import Isolation
from tools.candidate import Candidate
from tools.errors import RequestError
from tools.problem import Problem

PROBLEM = Problem(
    name="twice",
    source="""
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x) * 2

def get_inputs():
    return [torch.randn(256, 1000)]

def get_init_inputs():
    return []
""",
)


def candidate(expression: str) -> Candidate:
    source = f"""
import torch

class ModelNew(torch.nn.Module):
    def forward(self, x):
        return {expression}
"""
    return Candidate(source=source, language="python")


def test_without_a_boundary_only_what_the_builtin_model_wrote(tmp_path):
    settings = AgentSettings(model="openai:any", isolation=Isolation.PROCESS, home=tmp_path / "home")
    with pytest.raises(RequestError, match="--allow-unsandboxed"):
        rejudge(PROBLEM, candidate("x"), settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.torch
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed here")
@pytest.mark.slow  # half a minute
def test_a_champion_is_confirmed_by_a_real_judge(tmp_path):
    settings = AgentSettings(
        isolation=Isolation.PROCESS, home=tmp_path / "home", check_seeds=1, blocks=4, close_call_s=0, language="python"
    )
    notices: list[str] = []
    right = rejudge(PROBLEM, candidate("(x + x).clamp_min(0)"), settings, notices.append)
    assert (right.verdict.status, right.verdict.reason) == ("accepted", None)
    assert right.verdict.confirmed
    assert right.verdict.language == "python"
    assert right.host.torch_version
    assert right.host.threads >= 1
    assert notices
    assert [path for path in Path(tmp_path).iterdir() if path.name != "home"] == []
