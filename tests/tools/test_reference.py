"""The user's problem file as the oracle's process meets it, here without that process."""

import json
from textwrap import dedent

import pytest

from tests.tools.judged import problem

torch = pytest.importorskip("torch")

from tools.harness.faults import Fault  # noqa: E402 - imports torch
from tools.harness.reference import Reference  # noqa: E402

pytestmark = pytest.mark.torch

SOURCE = """
import torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
{construct}
    def forward(self, x):
{forward}
def get_inputs():
    return [torch.randn(16, 8)]
"""


def indented(text: str) -> str:
    return "\n".join(" " * 8 + line for line in (dedent(text).strip() or "pass").splitlines())


@pytest.fixture
def opened(tmp_path):
    """Makes a Reference of the bodies of a forward() and a constructor."""

    def opens(forward: str, construct: str = "") -> Reference:
        source = SOURCE.format(forward=indented(forward), construct=indented(construct))
        path = tmp_path / "problem.py"
        path.write_text(problem(source=source).source)
        reference = Reference()
        reference.open(str(path), "problem.py", 1)
        return reference

    return opens


def described(reference: Reference) -> dict:
    return json.loads(reference.describe(7))


EMA = "self.register_buffer('mean', torch.zeros(8), persistent={})"


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize(
    "forward",
    [
        "self.mean.mul_(0.9).add_(0.1 * x.mean(0))\nreturn x - self.mean",
        "self.mean = 0.9 * self.mean + 0.1 * x.mean(0)\nreturn x - self.mean",
        # The same inputs twice in a row get the same answer.
        "y = x - self.mean\nif not self.mean.any():\n    self.mean.copy_(x.mean(0))\n    y = x - self.mean\nreturn y",
    ],
    ids=["in place", "replaced", "first of all"],
)
def test_answers_from_buffers_that_forward_changes_are_refused(opened, forward, persistent):
    with pytest.raises(Fault, match=r"buffers that it changes \(mean\).* return it as an output"):
        opened(forward, EMA.format(persistent)).describe(7)


def test_updates_of_buffers_that_no_answer_depends_on_are_noted(opened):
    norm = "self.norm = torch.nn.BatchNorm1d(8)"
    (note,) = described(opened("return self.norm(x)", norm))["notes"]
    assert "norm.running_mean" in note
    assert described(opened("return self.norm(x)", norm + ".eval()"))["notes"] == []


def test_a_buffer_outside_of_the_state_dict_is_put_back_in_float64_too(opened):
    reference = opened("self.mean += x.mean(0)\nreturn x - self.mean", EMA.format(False))
    inputs = reference.cases(3)["default"]
    (first,), (second,) = reference.run_precise(inputs)[1], reference.run_precise(inputs)[1]
    assert first.dtype == torch.float64
    assert torch.equal(first, second)
    assert torch.equal(first, inputs[0].double() - inputs[0].double().mean(0))
