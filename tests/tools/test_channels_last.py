"""The baseline in channels-last layout, really run."""

from contextlib import closing

import pytest

from tools.judging import SandboxedJudge
from tools.problem import JudgeSettings, Problem

pytestmark = pytest.mark.torch

SETTINGS = JudgeSettings(
    blocks=4, close_call_s=0, stage_timeout_s=60, memory_bytes=1500 << 20, admission=False, compiled=False
)
SOURCE = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(4, 8, 3)

    def forward(self, x):
        if not ALLOWED and not x.is_contiguous():
            raise RuntimeError("another layout")
        return self.conv(x)

def get_inputs():
    return [torch.randn(2, 4, 12, 12)]

def get_init_inputs():
    return []
"""


def judge_of(enclosed, folder, source):
    return closing(SandboxedJudge(Problem("conv", source), enclosed, SETTINGS, folder))


def test_a_convolution_is_timed_in_that_layout_too_and_its_answer_is_compared(enclosed, tmp_path):
    with judge_of(enclosed, tmp_path, SOURCE.replace("ALLOWED", "True")) as judge:
        found = judge.baselines()
        assert list(found) == ["eager", "eager channels-last"]
        assert all(timing.median_s > 0 for timings in found.values() for timing in timings.values())
        assert judge._crews.now().notes == []


@pytest.mark.slow
def test_it_is_called_on_inputs_in_that_layout(enclosed, tmp_path):
    with judge_of(enclosed, tmp_path, SOURCE.replace("ALLOWED", "False")) as judge:
        assert list(judge.baselines()) == ["eager"]
        (note,) = judge._crews.now().notes
        assert note.startswith("eager channels-last is no baseline here")


def test_weights_change_their_layout_and_nothing_else():
    torch = pytest.importorskip("torch")
    from tools.harness.layout import ChannelsLast

    for model, inputs, layout in (
        (torch.nn.Conv2d(4, 8, 3), torch.randn(2, 4, 9, 9), torch.channels_last),
        (torch.nn.Conv3d(4, 8, 3), torch.randn(2, 4, 5, 5, 5), torch.channels_last_3d),
    ):
        expected, before = model(inputs), model.weight.detach().clone()
        converted = ChannelsLast(model)
        seen = []
        model.register_forward_pre_hook(lambda module, given, seen=seen: seen.append(given[0]))
        answer = converted(inputs)
        assert model.weight.is_contiguous(memory_format=layout)
        assert seen[0].is_contiguous(memory_format=layout)
        assert inputs.is_contiguous()
        assert torch.equal(model.weight, before)
        torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-5)
    assert not ChannelsLast(torch.nn.Linear(2, 2).eval()).training
