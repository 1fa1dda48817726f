"""Mutants of an output: enough of them, wrong each, and told apart by every licence that deserves the name."""

import numpy as np
import pytest

from tools.harness.licence import Expected, Licence, compare
from tools.harness.wire import ITEM_BYTES, Leaf
from tools.mutants import MAX_ELEMENTS, coarsened, is_idle, mutants, shortened

SHAPE = (64, 48)
KINDS = ["float32", "float64", "float16", "bfloat16", "int64", "int8", "bool", "complex64"]


def answer(dtype: str, seed: int) -> bytes:
    lot = np.random.default_rng(seed)
    values = lot.standard_normal(SHAPE)
    if dtype == "bfloat16":
        return (values.astype(np.float32).view(np.uint32) >> np.uint32(16)).astype(np.uint16).tobytes()
    if dtype == "bool":
        return (values > 0).tobytes()
    if dtype.startswith("int"):
        return (values * 40).astype(dtype).tobytes()
    return values.astype(dtype).tobytes()


def wide(raw: bytes, dtype: str) -> tuple[bytes, str]:
    """As the oracle would have it."""
    if dtype == "bfloat16":
        words = np.frombuffer(raw, dtype=np.uint16).astype(np.uint32) << np.uint32(16)
        return words.view(np.float32).astype(np.float64).tobytes(), "float64"
    if dtype in ("float32", "float16"):
        return np.frombuffer(raw, dtype=dtype).astype(np.float64).tobytes(), "float64"
    if dtype == "complex64":
        return np.frombuffer(raw, dtype=dtype).astype(np.complex128).tobytes(), "complex128"
    return raw, dtype


@pytest.mark.parametrize("dtype", KINDS)
def test_every_mutant_is_rejected_where_nothing_is_special(dtype):
    leaf, right = Leaf(dtype, SHAPE), answer(dtype, 1)
    oracle, oracle_dtype = wide(right, dtype)
    expected = Expected(leaf, oracle, oracle_dtype, right)
    made = list(mutants(leaf, right, answer(dtype, 2), answer(dtype, 3)))
    assert len({mutant.name for mutant in made}) == len(made)
    assert len(made) >= (12 if dtype == "bool" else 20), [mutant.name for mutant in made]
    assert compare(right, expected, Licence()).passed
    passing = [m.name for m in made if compare(m.raw, expected, Licence()).passed]
    assert passing == []


def test_a_loose_tolerance_lets_some_pass():
    leaf = Leaf("float32", SHAPE)
    small = (np.frombuffer(answer("float32", 1), dtype=np.float32) * np.float32(1e-3)).tobytes()
    expected = Expected(leaf, wide(small, "float32")[0], "float64", small)
    loose = Licence("tolerance", atol=1e-2, rtol=1e-2)
    passing = {m.name for m in mutants(leaf, small, small[::-1], None) if compare(m.raw, expected, loose).passed}
    assert {"zeros", "its mean everywhere"} <= passing


def test_what_differs_in_no_value_is_no_mutant():
    leaf = Leaf("float32", (4,))
    right = np.array([np.nan, 0.0, np.nan, 0.0], dtype=np.float32).tobytes()
    names = {mutant.name for mutant in mutants(leaf, right, right, None)}
    assert "without signs" not in names
    assert "zeros" in names
    assert "the answer to other inputs" not in names


def test_of_large_outputs_the_first_rows_are_mutated():
    assert shortened(Leaf("float32", (1 << 12, 1 << 10))) == Leaf("float32", (MAX_ELEMENTS >> 10, 1 << 10))
    assert shortened(Leaf("float32", (1 << 24,))) == Leaf("float32", (MAX_ELEMENTS,))
    # Else a row of it would be one number, which may be as small as rounding.
    assert shortened(Leaf("bfloat16", (2, 32, 2048, 128))) == Leaf("bfloat16", (1, 1, 2048, 128))
    assert shortened(Leaf("float32", (2, 3, 4096, 128))) == Leaf("float32", (1, 1, 2048, 128))
    assert shortened(Leaf("float32", (0, 1 << 20))) == Leaf("float32", (0, MAX_ELEMENTS))
    assert shortened(Leaf("float32", ())) == Leaf("float32", ())


@pytest.mark.parametrize(
    ("dtype", "bits", "error"), [("float32", 10, 2**-10), ("float16", 7, 2**-7), ("float64", 23, 2**-23)]
)
def test_coarser_numbers_keep_so_many_bits(dtype, bits, error):
    values = np.linspace(1.0, 2.0, 1000, endpoint=False).astype(dtype)
    cut = np.frombuffer(coarsened(values.tobytes(), dtype, bits), dtype=dtype)
    assert 0.4 * error < np.abs(cut.astype(np.float64) - values).max() <= error
    assert ITEM_BYTES[dtype] == values.itemsize


def idle(oracle: np.ndarray) -> set[str]:
    leaf, raw = Leaf("float32", oracle.shape), oracle.tobytes()
    noisy = (oracle + np.random.default_rng(9).standard_normal(oracle.shape) * 1e-6).astype(np.float32).tobytes()
    return {mutant.name for mutant in mutants(leaf, noisy, noisy, None) if is_idle(mutant.name, leaf, raw, "float64")}


def test_what_is_true_of_a_symmetric_answer_transposed_is_no_mutant():
    x = np.random.default_rng(3).standard_normal((48, 48))
    assert idle(x) == set()
    assert idle(x @ x.T) == {"transposed"}
    assert idle(np.maximum(x, 0)) == {"without signs"}
    assert idle(np.tile(x[:1], (48, 1))) == {"rows reversed", "rows moved by one"}


def test_a_constant_answer_is_still_told_by_what_is_made_up():
    found = idle(1 + 1e-14 * np.random.default_rng(4).standard_normal((48, 48)))
    assert "transposed" in found
    assert not found & {"ones", "its mean everywhere", "its first element everywhere", "the next lower precision"}


def test_without_a_finer_oracle_nothing_is_idle():
    symmetric = np.ones((8, 8))
    assert not is_idle("transposed", Leaf("float64", (8, 8)), symmetric.tobytes(), "float64")
    assert not is_idle("transposed", Leaf("int64", (8, 8)), symmetric.astype(np.int64).tobytes(), "int64")
