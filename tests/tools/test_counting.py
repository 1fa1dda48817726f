"""What a call has to do at least, counted while a reference runs."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from tools.harness.counting import count_work  # noqa: E402
from tools.harness.tensors import flatten  # noqa: E402

pytestmark = pytest.mark.torch

R = torch.randn


class Of(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self._forward = forward

    def forward(self, *inputs):
        return self._forward(*inputs)


def work(model, *inputs):
    def run(mine):
        leaves = []
        with torch.no_grad():
            return flatten(model(*mine), leaves), leaves

    return count_work(run, list(inputs), model if isinstance(model, nn.Module) else Of(model))


@pytest.mark.parametrize(
    ("forward", "inputs", "moved"),
    [
        (torch.relu, [R(6, 8)], 4 * 2 * 48),
        (torch.add, [R(6, 8), R(8)], 4 * (2 * 48 + 8)),
        (lambda x: x[:, :4] * 2, [R(6, 8)], 4 * 2 * 24),
        (lambda x: x[:, :4] * x[:, 4:], [R(6, 8)], 4 * (48 + 24)),
        (lambda x: (x[:2], x[2:] + 1), [R(6, 8)], 4 * 2 * 32),
        (lambda x: x.t(), [R(6, 8)], 0),
        (lambda x: x.expand(6, 8) + 1, [R(1, 8)], 4 * (8 + 48)),
        (lambda x: x + 1, [R(8, 6).t()], 4 * 2 * 48),
        (lambda x, index: x[index], [R(50, 8), torch.tensor([1, 1, -1])], 4 * 2 * 8 + 3 * 8 + 4 * 3 * 8),
        (lambda x, i: x.gather(1, i), [R(6, 8), torch.zeros(6, 1, dtype=torch.int64)], 6 * 8 + 6 * 4),
        (lambda x: torch.tril(x), [R(8, 8)], 4 * 64),
        (lambda x: torch.zeros_like(x), [R(8, 8)], 4 * 64),
        (lambda x: F.max_pool2d(x, 2), [R(1, 2, 8, 8)], 4 * (128 + 32)),
        (lambda x: F.max_pool2d(x, 1, 2), [R(1, 2, 8, 8)], 4 * 32),
        (lambda x: x.zero_() + 1, [R(6, 8)], 4 * 48),
        (lambda x: [x + 1] * 2, [R(6, 8)], 4 * 2 * 48),
    ],
)
def test_bytes_are_those_that_are_needed(forward, inputs, moved):
    answer = work(forward, *inputs)
    assert (answer["bytes_moved"], answer["state_bytes"]) == (moved, 0)


def test_a_parameter_counts_where_it_is_read():
    table = nn.Embedding(100, 8)
    assert work(table, torch.tensor([[1, 2], [2, 3]])) == {
        "bytes_moved": 4 * 8 + 4 * 3 * 8 + 4 * 4 * 8,
        "bytes_written": 4 * 4 * 8,
        "state_bytes": 4 * 3 * 8,
        "state_dtypes": ["float32"],
        "flops": 0,
        "products": {},
    }
    norm = nn.BatchNorm2d(4).eval()
    assert work(norm, R(2, 4, 5, 5))["state_bytes"] == 4 * 4 * 4  # how many batches there were is not read


def test_two_names_for_one_parameter_are_one():
    model = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False))
    model[1].weight = model[0].weight
    assert work(model, R(4, 8))["state_bytes"] == 4 * 64


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_products_are_told_by_the_dtype_of_their_factors(dtype):
    found = work(nn.Linear(32, 16).to(dtype), R(8, 32).to(dtype))
    assert found["products"] == {str(dtype).removeprefix("torch."): 2 * 8 * 32 * 16}
    assert found["flops"] == 2 * 8 * 32 * 16


def test_products_of_two_precisions_are_told_apart():
    def both(x, w):
        return x @ w, x.bfloat16() @ w.bfloat16()

    assert work(both, R(4, 8), R(8, 2))["products"] == {"float32": 128, "bfloat16": 128}


def test_a_convolution_takes_the_products_of_its_largest_tiles():
    found = work(nn.Conv2d(8, 16, 3, padding=1), R(2, 8, 10, 10))
    assert found["flops"] == 2 * 2 * 16 * 8 * 9 * 100
    assert found["products"]["float32"] == int(found["flops"] * (8 / 18) ** 2)
    pointwise = work(nn.Conv2d(8, 16, 1), R(2, 8, 10, 10))
    assert pointwise["products"]["float32"] == pointwise["flops"]


def test_attention_counts_and_no_more_of_it_than_masks_leave():
    q, k, v = (R(1, 2, 16, 8) for _ in range(3))
    whole = work(F.scaled_dot_product_attention, q, k, v)
    assert whole["products"] == {"float32": 2 * 2 * 16 * 16 * 16}
    causal = work(lambda *args: F.scaled_dot_product_attention(*args, is_causal=True), q, k, v)
    assert causal["products"] == {"float32": 2 * 16 * 16 * 16}
    masked = work(lambda *args: F.scaled_dot_product_attention(*args, attn_mask=R(16, 16)), q, k, v)
    assert sum(masked["products"].values()) == 0


def test_of_factors_that_may_be_half_empty_no_product_is_counted():
    found = work(lambda a, b: torch.tril(a @ b), R(8, 8), R(8, 8))
    assert (found["flops"], found["products"]) == (1024, {})


def test_what_cannot_be_looked_at_is_not_known():
    def refuse(x):
        raise ValueError(x)

    assert work(refuse, R(2)) == {"bytes_moved": 0, "flops": 0}
