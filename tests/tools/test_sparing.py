"""A NaN that is masked may reach an answer or not; one that counts may not get lost."""

import pytest

torch = pytest.importorskip("torch")

from tests.tools.referenced import Referee  # noqa: E402 - needs torch

pytestmark = pytest.mark.torch

SEEDS = range(12)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # what is computed here is tiny
    yield
    torch.set_num_threads(before)


ATTENTION = """scores = q @ k.transpose(-1, -2) / 4
        mask = torch.ones(32, 32).tril().bool()
        return torch.softmax({masked}, dim=-1) @ v"""
THREE = "torch.randn(2, 32, 16), torch.randn(2, 32, 16), torch.randn(2, 32, 16)"
MASKS = {
    "filled": "scores.masked_fill(~mask, float('-inf'))",
    "added": "scores + torch.zeros(32, 32).masked_fill(~mask, float('-inf'))",
    "large": "scores + (~mask) * -1e9",
}


def causal(q, k, v):
    """Row by row, over what a row may see only."""
    rows = []
    for i in range(q.shape[1]):
        scores = q[:, i : i + 1] @ k[:, : i + 1].transpose(-1, -2) / 4
        rows.append(torch.softmax(scores, dim=-1) @ v[:, : i + 1])
    return torch.cat(rows, dim=1)


def reasons(referee, forward, dress="nonfinite"):
    found = [referee.judge(referee.make(seed, dress), forward) for seed in SEEDS]
    return [comparison.reason for comparison in found if comparison]


def spares(referee):
    return any(item.spared for seed in SEEDS for item in referee.make(seed, "nonfinite").expected)


@pytest.mark.parametrize("masked", MASKS.values(), ids=MASKS)
def test_attention_may_skip_what_is_masked(tmp_path, masked):
    referee = Referee(tmp_path, "q, k, v", ATTENTION.format(masked=masked), THREE)
    assert reasons(referee, causal) == []
    assert reasons(referee, referee.model) == []
    assert reasons(referee, lambda q, k, v: causal(q, k, v).nan_to_num(0.0))
    assert reasons(referee, lambda q, k, v: causal(q, k, v.nan_to_num(0.0)))
    assert reasons(referee, lambda q, k, v: causal(q, k, v) * 1.001)


def test_what_stands_where_a_nan_is_spared_has_to_be_right(tmp_path):
    referee = Referee(tmp_path, "q, k, v", ATTENTION.format(masked=MASKS["filled"]), THREE)

    def forward(q, k, v):
        right, theirs = causal(q, k, v), referee.model(q, k, v)
        return torch.where(theirs.isnan() & right.isfinite(), right + 0.01, right)

    assert set(reasons(referee, forward)) == {"wrong_output"}


def test_a_triangular_product_may_skip_zeros(tmp_path):
    referee = Referee(tmp_path, "a, b", "return torch.tril(a) @ b", "torch.randn(32, 32), torch.randn(32, 32)")

    def skipping(a, b):
        return torch.stack([a[i, : i + 1] @ b[: i + 1] for i in range(32)])

    assert reasons(referee, skipping) == []
    assert reasons(referee, lambda a, b: torch.tril(a).nan_to_num(0.0) @ b.nan_to_num(0.0))


def lost(x):
    """A NaN that loses every comparison."""
    return x.nan_to_num(float("-inf"), float("inf"), float("-inf"))


@pytest.mark.parametrize(
    ("body", "inputs", "forward"),
    [
        ("return x.amax(-1)", "torch.randn(64, 32)", lambda x: lost(x).amax(-1)),
        ("return x.amin(-1)", "torch.randn(64, 32)", lambda x: -lost(-x).amax(-1)),
        ("return torch.relu(x)", "torch.randn(64, 32)", lambda x: torch.relu(x.nan_to_num(0.0, 1e39))),
        ("return x.clamp(-1, 1)", "torch.randn(64, 32)", lambda x: lost(x).clamp(-1, 1)),
        ("return torch.softmax(x, -1)", "torch.randn(64, 32)", lambda x: torch.softmax(lost(x), -1)),
        ("return torch.softmax(x, -1)", "torch.randn(64, 32)", lambda x: torch.softmax(x, -1).nan_to_num(0.0)),
        ("return x.sum(-1)", "torch.randn(64, 32)", lambda x: x.nansum(-1)),
        ("return x.median(-1).values", "torch.randn(64, 33)", lambda x: x.nanmedian(-1).values),
        (
            "return (x[:, :, None] - x[:, None]).square().sum(-1).add(torch.eye(8) * 100).amin(-1)",
            "torch.randn(16, 8, 4)",
            lambda x: -lost(-(x[:, :, None] - x[:, None]).square().sum(-1).add(torch.eye(8) * 100)).amax(-1),
        ),
    ],
    ids=["max", "min", "relu", "clamp", "softmax", "softmax after", "sum", "median", "nearest"],
)
def test_a_nan_that_counts_may_not_get_lost(tmp_path, body, inputs, forward):
    referee = Referee(tmp_path, "x", body, inputs)
    assert reasons(referee, referee.model) == []
    assert not spares(referee)
    assert "wrong_output.nonfinite" in reasons(referee, forward)


def test_rows_that_are_masked_as_a_whole_stay_nan(tmp_path):
    body = "return torch.softmax(x.masked_fill(torch.arange(64)[:, None] % 2 == 0, float('-inf')), -1)"
    referee = Referee(tmp_path, "x", body, "torch.randn(64, 32)")
    assert "wrong_output.nonfinite" in reasons(referee, lambda x: referee.model(x).nan_to_num(0.0))


def test_nothing_is_spared_without_a_mask(tmp_path):
    referee = Referee(tmp_path, "a, b", "return a @ b", "torch.randn(32, 32), torch.randn(32, 32)")
    assert not spares(referee)
