"""Parameters that begin alike in every element, as a trained model would have them."""

import pytest

torch = pytest.importorskip("torch")

from tools.harness.reference import Reference  # noqa: E402 - imports torch
from tools.harness.trained import train  # noqa: E402

pytestmark = pytest.mark.torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(16)
        self.mix = torch.nn.Linear(16, 16)
        self.gain = torch.nn.Parameter(torch.tensor(0.25))
        self.start = torch.nn.Parameter(torch.zeros(16, 64))
        self.blur = torch.nn.Parameter(torch.full((3, 3), 1 / 9), requires_grad=False)
        self.register_buffer("mask", torch.ones(16))
        self.register_buffer("far", torch.full((4,), float("-inf")))


def spread(tensor):
    return float(tensor.detach().max() - tensor.detach().min())


def test_what_training_changes_has_values_of_its_own_and_what_it_does_not_stays():
    model, before = Model(), Model()
    before.load_state_dict(model.state_dict())
    train(model, 7)
    for name in ("norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"):
        assert spread(model.state_dict()[name]) > 0.3, name
    assert float(model.norm.running_var.min()) > 0.4
    assert float(model.gain.detach()) not in (0.0, 0.25)
    assert 0 < float(model.start.detach().abs().max()) <= 0.5 / 8
    for name in ("mix.weight", "mix.bias", "blur", "mask", "far", "norm.num_batches_tracked"):
        assert torch.equal(model.state_dict()[name], before.state_dict()[name]), name


def test_the_same_seed_gives_the_same_values_and_another_gives_others():
    models = [Model() for _ in range(3)]
    for model, seed in zip(models, (7, 7, 8), strict=True):
        train(model, seed)
    first, same, other = (model.norm.weight for model in models)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


NORMED = """
import torch
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.LayerNorm(8)
    def forward(self, x):
        return self.norm(x)
def get_inputs():
    return [torch.randn(4, 8)]
"""


def test_an_affine_part_cannot_be_left_out(tmp_path):
    path = tmp_path / "p.py"
    path.write_text(NORMED)
    reference = Reference()
    reference.open(str(path), "p.py", 3)
    inputs = reference.cases(5)["default"]
    bare = torch.nn.functional.layer_norm(inputs[0], (8,))
    for _, leaves in (reference.run(inputs), reference.run_precise(inputs)):
        assert float((leaves[0] - bare).abs().max()) > 0.1
