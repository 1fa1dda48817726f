"""Whether a reference rounds to 16 bits on its way."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402 - needs torch; as everybody calls it

from tools.harness.rounding import rounds_to_16_bits  # noqa: E402

pytestmark = pytest.mark.torch

LOT = torch.Generator().manual_seed(3)
X, W, M = (torch.randn(*shape, generator=LOT).bfloat16() for shape in ((8, 64), (8, 64), (64, 32)))


@pytest.mark.parametrize(
    "run",
    [
        lambda: torch.softmax(X.float(), -1),
        lambda: torch.softmax(X, -1, dtype=torch.float32),
        lambda: X.sum(-1, dtype=torch.float32),
        lambda: X * torch.randn(64),
        lambda: F.relu(X).abs().amax(-1).float(),
        lambda: torch.cat([X.t().contiguous().reshape(-1)[::2], W.flatten()]).float(),
        lambda: F.embedding(torch.tensor([1, 2]), X).float(),
        lambda: X.masked_fill(X > 0, float("-inf")).float(),
        lambda: torch.zeros_like(X).copy_(W),
        lambda: torch.round(X.float() * 3).to(torch.int8),
        lambda: torch.randn(3).mul(1.1),
    ],
)
def test_widening_and_moving_numbers_round_nothing(run):
    assert not rounds_to_16_bits(run)


@pytest.mark.parametrize(
    "run",
    [
        lambda: (X * W).float(),
        lambda: X @ M,
        lambda: X.sum(-1).float(),
        lambda: X.float().mul(1.1).bfloat16().float(),
        lambda: X.clone().mul_(W),
        lambda: torch.zeros_like(X).copy_(W.float() * 1.1),
        lambda: torch.softmax(X.half(), -1),
        lambda: torch.full((3,), 0.1, dtype=torch.bfloat16),
        lambda: F.scaled_dot_product_attention(X[None], X[None], X[None]),
        lambda: X.view(torch.int16).add(1).view(torch.bfloat16),  # which bits say nothing of in float64
    ],
)
def test_a_result_that_is_stored_in_16_bits_is_found(run):
    assert rounds_to_16_bits(run)


def test_what_is_watched_is_carried_out_once():
    total = torch.zeros(8, 64, dtype=torch.float64)
    counts = torch.zeros(8, 64, dtype=torch.int32)
    found = []

    def run():
        total.add_(X)
        counts.add_(1)
        found.append(F.relu_(X.clone()))

    assert not rounds_to_16_bits(run)
    assert torch.equal(total, X.double())
    assert torch.equal(counts, torch.ones(8, 64, dtype=torch.int32))
    assert torch.equal(found[0], X.clamp(min=0))
