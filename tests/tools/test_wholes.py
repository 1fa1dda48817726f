"""Products of small whole numbers, answered in 16 bits."""

import pytest
import torch

from tools.examining import Examiner, History
from tools.harness.licence import Expected, Licence
from tools.harness.tensors import dtype_name, raw_bytes
from tools.harness.values import nudge
from tools.harness.wholes import wrong_wholes
from tools.harness.wire import Leaf
from tools.harness.yardstick import Response, Sample
from tools.inputs import InputSet

LOT = torch.Generator().manual_seed(1)


def wholes(*shape: int) -> torch.Tensor:
    return torch.randint(-3, 4, shape, generator=LOT).double()


LEFT, RIGHT = wholes(64, 512), wholes(512, 64)
EXACT = LEFT @ RIGHT


def as_bytes(tensor: torch.Tensor) -> bytearray:
    return bytearray(bytes(raw_bytes(tensor.contiguous())))


def expected(dtype: torch.dtype, eager: torch.Tensor | None = None) -> Expected:
    eager = EXACT.to(dtype) if eager is None else eager
    return Expected(Leaf(dtype_name(dtype), (64, 64)), as_bytes(EXACT), "float64", as_bytes(eager))


def in_eight_bits(tensor: torch.Tensor, dim: int) -> torch.Tensor:
    scale = tensor.abs().amax(dim, keepdim=True) * 1.01 / 127  # the levels are not the numbers themselves
    return (tensor / scale).round() * scale


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_eight_bits_are_seen_where_the_output_could_hold_the_whole_number(dtype):
    coarse = (in_eight_bits(LEFT, 1) @ in_eight_bits(RIGHT, 0)).to(dtype)
    assert wrong_wholes(as_bytes(coarse), expected(dtype)) > 100
    assert wrong_wholes(as_bytes(EXACT.to(dtype)), expected(dtype)) == 0


def test_any_order_of_sums_in_float32_is_exact():
    halves = (LEFT[:, :200].float() @ RIGHT[:200].float()) + (LEFT[:, 200:].float() @ RIGHT[200:].float())
    assert wrong_wholes(as_bytes(halves.bfloat16()), expected(torch.bfloat16)) == 0


def test_where_eager_is_off_too_or_the_output_is_wider_nothing_is_told():
    off = (EXACT + 1).bfloat16()
    assert wrong_wholes(as_bytes(off), expected(torch.bfloat16)) > 0
    assert wrong_wholes(as_bytes(off), expected(torch.bfloat16, off)) == 0
    assert wrong_wholes(as_bytes((EXACT + 1).float()), expected(torch.float32)) == 0


def test_a_mean_of_zero_may_come_out_as_next_to_nothing():
    tiny = torch.where(EXACT == 0, 1e-7, EXACT).bfloat16()
    assert wrong_wholes(as_bytes(tiny), expected(torch.bfloat16)) == 0


def test_an_examiner_refuses_it_only_of_whole_numbers():
    coarse = as_bytes((in_eight_bits(LEFT, 1) @ in_eight_bits(RIGHT, 0)).bfloat16())
    for dress, refused in (("integers", True), (None, False)):
        lax = Examiner(Licence(), lambda inputs: (Response(Sample(30.0, 2000.0, 300.0, 6000.0)),), History())
        inputs = InputSet("case", {}, (), (), 1, b"", (expected(torch.bfloat16),), dress)
        found = lax.examine([coarse], inputs)
        assert (found is not None and found.reason == "wrong_output.inexact") is refused


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_numbers_of_16_bits_are_moved_by_no_more_than_rounding_moves_them(dtype):
    drawn = torch.randn(1 << 14, generator=LOT).to(dtype)
    moved = ((nudge(drawn) - drawn.double()) / drawn.double()).abs()
    assert float(moved.max()) <= torch.finfo(dtype).eps / 2
    assert float(moved.square().mean().sqrt()) < 0.6 * torch.finfo(dtype).eps / 2


def test_numbers_of_32_bits_are_all_moved_by_half_a_unit():
    drawn = torch.randn(1 << 14, generator=LOT)
    moved = ((nudge(drawn) - drawn.double()) / drawn.double()).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, torch.finfo(torch.float32).eps / 2), rtol=1e-6, atol=0)
