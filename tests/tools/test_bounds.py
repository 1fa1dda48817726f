"""Indices out of range are told before a device sees them."""

import pytest

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402

from tools.harness.bounds import InBounds, guarded  # noqa: E402 - imports torch

pytestmark = pytest.mark.torch

TABLE = torch.arange(12.0).reshape(4, 3)


def ids(*values):
    return torch.tensor(values)


LOOKUPS = {
    "indexing": lambda i: TABLE[i],
    "indexing the second dimension": lambda i: TABLE[:, i - 1],
    "indexing after a mask": lambda i: torch.ones(2, 5, 4)[torch.ones(2, 5, dtype=torch.bool), i[:1]],
    "assigning": lambda i: TABLE.clone().index_put_((i,), torch.tensor(1.0)),
    "embedding": lambda i: F.embedding(i, TABLE),
    "embedding bag": lambda i: F.embedding_bag(i, TABLE, torch.tensor([0])),
    "gather": lambda i: TABLE.gather(0, i[:, None]),
    "index_select": lambda i: TABLE.index_select(0, i),
    "index_add": lambda i: torch.zeros(4, 3).index_add_(0, i, torch.ones(len(i), 3)),
    "scatter": lambda i: torch.zeros(4, 3).scatter(0, i[:, None], 1.0),
    "scatter_add": lambda i: torch.zeros(4, 3).scatter_add(0, i[:, None], torch.ones(len(i), 1)),
    "cross entropy": lambda i: F.cross_entropy(torch.zeros(len(i), 4), i),
    "take": lambda i: TABLE.take(i * 3),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_what_points_beyond_is_told_and_what_does_not_is_answered(name):
    right = LOOKUPS[name](ids(3, 1))
    with InBounds():
        assert torch.equal(LOOKUPS[name](ids(3, 1)), right)
        with pytest.raises(IndexError, match=r"looks up \d+ among"):
            LOOKUPS[name](ids(4, 1))


def test_whoever_counts_from_the_end_may():
    with InBounds():
        assert torch.equal(TABLE[ids(-4, -1)], TABLE[ids(0, 3)])
        with pytest.raises(IndexError, match="looks up -5 among 4"):
            TABLE[ids(-5)]


def test_nothing_to_look_up_is_in_bounds():
    with InBounds():
        assert TABLE[torch.empty(0, dtype=torch.int64)].shape == (0, 3)


def test_a_class_that_is_ignored_is_no_place():
    with InBounds():
        assert float(F.cross_entropy(torch.zeros(2, 4), ids(-100, 1))) == pytest.approx(1.386, abs=1e-3)


@pytest.mark.parametrize(
    ("device", "is_altered", "is_looked_at"), [("cuda", True, True), ("cuda", False, False), ("cpu", True, False)]
)
def test_only_a_device_s_altered_inputs_are_looked_at(device, is_altered, is_looked_at):
    context = guarded(torch.device(device), is_altered=is_altered)
    assert isinstance(context, InBounds) is is_looked_at
