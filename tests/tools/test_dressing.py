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


FLOATS = ("mixed", "untied", "nonfinite", "integers", "sorted", "expanded", "rows", "above", "below", "lower")


def triangular():
    return torch.randn(32, 32).triu()


def symmetric():
    drawn = torch.randn(32, 32)
    return drawn + drawn.T


KEPT = {
    "ascending": (lambda: torch.randn(64).sort().values, lambda t: bool((t.diff(dim=-1) >= 0).all())),
    "ascending rows": (lambda: torch.randn(4, 64).sort(dim=-1).values, lambda t: bool((t.diff(dim=-1) >= 0).all())),
    "triangular": (triangular, lambda t: torch.equal(t.nan_to_num(), t.nan_to_num().triu())),
    "symmetric": (symmetric, lambda t: torch.equal(t.nan_to_num(), t.nan_to_num().T)),
    "shares": (
        lambda: torch.rand(16, 64).softmax(dim=-1),
        lambda t: bool(((t.sum(dim=-1) - 1).abs() < 1e-5)[torch.isfinite(t).all(dim=-1)].all()),
    ),
    "not negative": (lambda: torch.rand(16, 64), lambda t: not bool((t.nan_to_num(0, 0, 0) < 0).any())),
}


@pytest.mark.parametrize("dress", FLOATS)
@pytest.mark.parametrize("name", KEPT)
def test_what_an_operator_may_rely_on_is_kept(name, dress):
    draw, holds = KEPT[name]
    for seed in SEEDS:
        drawn = draw()
        assert holds(drawn)
        changed = put_on(dress, [drawn], seed)[0]
        assert (changed.shape, changed.dtype) == (drawn.shape, drawn.dtype)
        if not (name == "not negative" and dress == "nonfinite"):
            assert holds(changed), (name, dress)


@pytest.mark.parametrize("name", ["triangular", "symmetric", "shares", "ascending"])
def test_and_they_are_unusual_all_the_same(name):
    draw, _ = KEPT[name]
    drawn = draw()
    assert not torch.equal(put_on("mixed", [drawn], 1)[0], drawn)


@pytest.mark.parametrize("shape", [(64, 32), (4, 16, 32), (4, 8, 6, 6)])
def test_some_rows_are_zero_some_constant_some_small_and_some_far_off(shape):
    drawn = torch.randn(shape)
    changed = put_on("rows", [drawn], 3)[0]
    width = shape[-1] if len(shape) < 4 else 36
    rows, before = changed.reshape(-1, width), drawn.reshape(-1, width)
    constant = (rows == rows[:, :1]).all(-1)
    small = (rows.abs().amax(-1) > 0) & (rows.abs().amax(-1) < 1e-3)
    kinds = [(rows == 0).all(-1), constant & (rows[:, 0] != 0), small, rows.mean(-1).abs() > 100]
    assert all(0 < int(kind.sum()) <= len(rows) // 4 for kind in kinds)
    assert int((rows == before).all(-1).sum()) >= len(rows) // 2
    assert not torch.equal(put_on("rows", [drawn], 4)[0], changed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_some_draws_have_all_numbers_far_above_0_and_some_all_below(dtype):
    drawn = torch.randn(64, 256).to(dtype)
    assert bool((put_on("above", [drawn], 1)[0] > 1).all())
    for dress in ("below", "lower"):
        assert bool((put_on(dress, [drawn], 1)[0] < -1).all())
    assert float(put_on("lower", [drawn], 1)[0].max()) < -100
    assert torch.equal(put_on("below", [drawn.abs()], 1)[0], drawn.abs())


def test_far_off_rows_lie_on_both_sides_of_0():
    means = put_on("rows", [torch.randn(512, 32)], 1)[0].mean(-1)
    assert bool((means > 100).any())
    assert bool((means < -100).any())


def test_moved_to_be_low_hardly_two_numbers_become_equal():
    drawn = torch.randn(1 << 12)
    changed = put_on("lower", [drawn], 1)[0]
    assert changed.unique().numel() >= 0.999 * drawn.unique().numel()


def test_all_numbers_far_off_catch_a_variance_by_squares_along_any_dimension(tmp_path):
    body = "return x.var(dim=(0, 2), unbiased=False)"
    referee = Referee(tmp_path, "x", body, "torch.randn(16, 4, 64)")

    def right(x):
        return x.var(dim=(0, 2), unbiased=False)

    def wrong(x):
        return (x * x).mean(dim=(0, 2)) - x.mean(dim=(0, 2)) ** 2

    assert referee.judge(referee.make(1), wrong) is None  # which is why
    for dress in ("above", "below"):
        assert referee.judge(referee.make(1, dress), right) is None
        assert referee.judge(referee.make(1, dress), wrong) is not None


def test_all_numbers_below_0_catch_a_softmax_that_shifts_only_where_it_must(tmp_path):
    referee = Referee(tmp_path, "x", "return torch.softmax(x, dim=-1)", "torch.randn(64, 64)")

    def unshifted(x):
        powers = x.exp()
        sums = powers.sum(-1, keepdim=True)
        return powers / sums if bool(torch.isfinite(sums).all()) else torch.softmax(x, dim=-1)

    assert referee.judge(referee.make(1), unshifted) is None
    assert referee.judge(referee.make(1, "below"), unshifted) is not None


def rms(x, eps):
    return x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + eps)


def test_rows_catch_a_missing_eps_and_squares_before_the_mean_is_off(tmp_path):
    def by_squares(x):
        mean, squares = x.mean(-1, keepdim=True), (x * x).mean(-1, keepdim=True)
        return (x - mean) * torch.rsqrt(squares - mean * mean + 1e-5)

    def native(x):
        return torch.nn.functional.layer_norm(x, (64,))

    root = "return x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + 1e-6)"
    norm = "return torch.nn.functional.layer_norm(x, (64,))"
    for body, right, wrong in (
        (root, lambda x: rms(x, 1e-6), lambda x: rms(x, 0.0)),
        (norm, native, by_squares),
    ):
        referee = Referee(tmp_path, "x", body, "torch.randn(64, 64)")
        plain, rows = referee.make(1), referee.make(1, "rows")
        assert referee.oracle.is_sound(rows)
        assert referee.judge(plain, wrong) is None  # which is why
        assert referee.judge(rows, right) is None
        assert referee.judge(rows, wrong) is not None


@pytest.mark.parametrize("width", [48, 64])
def test_where_equal_rows_leave_nothing_but_noise_they_are_not_tried(tmp_path, width):
    """Of 64 equal numbers the mean is exact, and the answer NaN; of 48 it is not."""
    body = "return (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True)"
    referee = Referee(tmp_path, "x", body, f"torch.randn(64, {width})")
    assert not any(referee.oracle.is_sound(referee.make(seed, "rows")) for seed in range(4))
