"""The licence says the same of tensors, as it is asked beside an oracle on a device, and of bytes."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tools.harness.licence import NO_YARDSTICK, Expected, Licence, compare, is_near, measure
from tools.harness.wholes import wrong_wholes
from tools.harness.wire import Leaf

pytestmark = pytest.mark.torch
SIZE = 4097


def tensor(raw: bytes):
    import torch

    return torch.frombuffer(bytearray(raw), dtype=torch.uint8)


def on_tensors(expected: Expected) -> Expected:
    return replace(
        expected,
        oracle=tensor(expected.oracle),
        eager=tensor(expected.eager),
        spared=None if expected.spared is None else tensor(expected.spared),
        wavering=[tensor(raw) for raw in expected.wavering],
    )


def bfloat16(x: np.ndarray) -> bytes:
    return (x.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()


def raw(x: np.ndarray, dtype: str) -> bytes:
    return bfloat16(x) if dtype == "bfloat16" else x.astype(dtype).tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("off", [0.0, 1e-7, 1e-2])
@pytest.mark.parametrize("precision", ["native", "tolerance"])
def test_floating_numbers(dtype, off, precision):
    lot = np.random.default_rng(7)
    truth = lot.normal(size=SIZE)
    expected = Expected(Leaf(dtype, (SIZE,)), truth.tobytes(), "float64", raw(truth, dtype))
    got = raw(truth + off * lot.normal(size=SIZE), dtype)
    both = compare(got, expected, Licence(precision)), compare(tensor(got), on_tensors(expected), Licence(precision))
    assert both[0].passed == both[1].passed
    assert math.isclose(both[0].error.worst, both[1].error.worst, rel_tol=1e-9)
    assert math.isclose(both[0].error.norm, both[1].error.norm, rel_tol=1e-9)
    assert measure(expected).worst == measure(on_tensors(expected)).worst


def test_numbers_that_are_none():
    truth = np.array([1.0, math.nan, math.inf, -math.inf, 2.0] * 3)
    expected = Expected(Leaf("float32", truth.shape), truth.tobytes(), "float64", truth.astype("float32").tobytes())
    for got in (truth, np.where(np.isnan(truth), 0.0, truth), -truth):
        raws = got.astype("float32").tobytes()
        one, other = compare(raws, expected, Licence()), compare(tensor(raws), on_tensors(expected), Licence())
        assert (one.passed, one.reason, one.detail) == (other.passed, other.reason, other.detail)


def test_spared_and_jumping_numbers():
    truth, free = np.array([math.nan, 1.0, 2.0]), np.array([3.0, math.nan, math.nan])
    jumping = np.array([math.nan, 5.0, 2.0])
    expected = Expected(Leaf("float64", (3,)), truth.tobytes(), "float64", truth.tobytes(), spared=free.tobytes())
    expected = replace(expected, wavering=[jumping.tobytes()])
    for got in (np.array([3.0, 1.0, 2.0]), np.array([math.nan, 5.0, 2.0]), np.array([4.0, 1.0, 2.0])):
        one = compare(got.tobytes(), expected, Licence(), NO_YARDSTICK, 1.0)
        other = compare(tensor(got.tobytes()), on_tensors(expected), Licence(), NO_YARDSTICK, 1.0)
        assert (one.passed, one.reason, one.excused) == (other.passed, other.reason, other.excused)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool"])
def test_integers(dtype):
    lot = np.random.default_rng(1)
    truth = lot.integers(0, 2, SIZE).astype(dtype)
    wrong = truth.copy()
    wrong[5] = not wrong[5]
    expected = Expected(Leaf(dtype, (SIZE,)), truth.tobytes(), dtype, truth.tobytes())
    for got in (truth, wrong):
        one = compare(got.tobytes(), expected, Licence())
        assert one == compare(tensor(got.tobytes()), on_tensors(expected), Licence())
    assert not one.passed


def test_nearness_and_whole_numbers():
    lot = np.random.default_rng(2)
    x = lot.normal(size=SIZE).astype("float32")
    expected = Expected(Leaf("float32", (SIZE,)), x.astype(float).tobytes(), "float64", x.tobytes())
    for other in (x, x * np.float32(1 + 1e-7), x + np.float32(1e-3)):
        pair = other.tobytes(), x.tobytes()
        one = is_near(*pair, expected, NO_YARDSTICK)
        assert one == is_near(tensor(pair[0]), tensor(pair[1]), on_tensors(expected), NO_YARDSTICK)
    whole = lot.integers(-3, 4, SIZE).astype("float16")
    exact = Expected(Leaf("float16", (SIZE,)), whole.astype(float).tobytes(), "float64", whole.tobytes())
    off = whole.copy()
    off[9] += np.float16(0.5)
    assert wrong_wholes(off.tobytes(), exact) == wrong_wholes(tensor(off.tobytes()), on_tensors(exact)) == 1
