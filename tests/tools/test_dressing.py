"""What the dresses of integers and the ones without ties make, and whom they catch."""

import pytest

torch = pytest.importorskip("torch")

from tests.tools.referenced import Referee  # noqa: E402 - needs torch
from tools.harness.dressing import put_on  # noqa: E402

pytestmark = pytest.mark.torch

SEEDS = range(8)


def repeated(tensor, seed=0):
    return put_on("repeated", [tensor], seed)[0]


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_most_integers_are_one_of_those_drawn(dtype):
    drawn = torch.randint(3, 90, (64, 32), generator=torch.Generator().manual_seed(1)).to(dtype)
    for seed in SEEDS:
        changed = repeated(drawn, seed)
        assert changed.dtype == dtype
        assert set(changed.unique().tolist()) <= set(drawn.unique().tolist())
        assert int(changed.flatten().bincount().max()) > 0.7 * drawn.numel()
        assert len(changed.unique()) > 10
    assert len({int(repeated(drawn, seed).mode().values[0]) for seed in SEEDS}) > 1


def test_what_may_be_a_permutation_stays():
    drawn = torch.randperm(64)
    assert torch.equal(repeated(drawn), drawn)
    assert torch.equal(repeated(torch.tensor(7)), torch.tensor(7))


def test_ascending_integers_ascend_from_the_first_to_the_last():
    drawn = torch.randint(0, 100, (200,)).sort().values
    for seed in SEEDS:
        changed = repeated(drawn, seed)
        assert bool((changed.diff() >= 0).all())
        assert (changed[0], changed[-1]) == (drawn[0], drawn[-1])
        assert not torch.equal(changed, drawn)


def test_rows_of_truth_values_are_all_true_or_all_false_or_as_drawn():
    drawn = torch.rand(256, 32) < 0.5
    changed = repeated(drawn)
    kept = (changed == drawn).all(-1)
    assert 0.5 < kept.float().mean() < 0.9
    assert bool(changed.all(-1).any())
    assert bool((~changed).all(-1).any())
    assert bool((changed[~kept].all(-1) | (~changed[~kept]).all(-1)).all())
    assert repeated(torch.tensor([True, False, True])).shape == (3,)
    assert repeated(torch.tensor(True)).shape == ()


def test_floating_numbers_stay():
    drawn = torch.randn(8, 8)
    assert torch.equal(repeated(drawn), drawn)


def test_a_scatter_that_loses_what_collides_is_caught(tmp_path):
    body = "return torch.zeros(4096).index_add(0, i, x)"
    referee = Referee(
        tmp_path,
        "x, i",
        body,
        "torch.randn(64), torch.randint(0, 4096, (64,)).index_fill(0, torch.tensor([1]), 5)"
        ".index_fill(0, torch.tensor([0]), 5)",
    )

    def without_atomics(x, i):
        out = torch.zeros(4096).index_copy(0, i, x)
        out[5] = x[i == 5].sum()
        return out

    for seed in SEEDS:
        assert referee.judge(referee.make(seed, "repeated"), referee.model) is None
        assert referee.judge(referee.make(seed, "repeated"), without_atomics) is not None
    assert any(referee.judge(referee.make(seed), without_atomics) is None for seed in SEEDS)


def test_mixed_numbers_without_zeros_make_no_two_alike():
    drawn = torch.randperm(1 << 14).double().add(0.5).float().view(128, 128)
    changed = put_on("untied", [drawn], 3)[0]
    assert changed.unique().numel() == changed.numel()
    assert bool((changed.abs() < torch.finfo(torch.float32).tiny).any())
    assert bool((put_on("mixed", [drawn], 3)[0] == 0).any())
