"""Accuracy of the C++ building blocks against float64, in units in the last place."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from agent.builtin.cblocks import HEADER, needed_blocks

RANGES = {
    "exp": (-103.0, 88.7), "exp_fast": (-87.0, 0.0), "log": (1e-38, 3e38), "tanh": (-12.0, 12.0),
    "expm1": (-20.0, 88.0),    "log1p": (-0.999, 1e6), "erf": (-5.0, 5.0), "sigmoid": (-80.0, 80.0),
    "erf_fast": (-5.0, 5.0), "tanh_fast": (-12.0, 12.0), "tanh_softplus": (-80.0, 80.0),
}  # fmt: skip
UNITS = {"erf_fast": 6.0, "tanh_fast": 6.0, "tanh_softplus": 4.0}
"""Allowed, where it is more than 3."""
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 1e-45], dtype=np.float32)


HALVES = """
extern "C" void load_f16(const uint16_t *x, float *y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = kw_load_f16(x[i]);
}
extern "C" void store_f16(const float *x, uint16_t *y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = kw_store_f16(x[i]);
}
"""


def exact(name, x):
    import math

    functions = {
        "exp": np.exp, "exp_fast": np.exp, "log": np.log, "tanh": np.tanh, "expm1": np.expm1, "log1p": np.log1p,
        "erf": np.vectorize(math.erf), "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
        "erf_fast": np.vectorize(math.erf), "tanh_fast": np.tanh,
        "tanh_softplus": lambda v: np.tanh(np.logaddexp(0, v)),
    }  # fmt: skip
    with np.errstate(all="ignore"):
        return functions[name](x.astype(np.float64))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed: apt-get install g++")
    body = "".join(
        f'extern "C" void run_{name}(const float *x, float *y, int64_t n) {{\n'
        f"#pragma omp simd\n  for (int64_t i = 0; i < n; ++i) y[i] = kw_{name}(x[i]);\n}}\n"
        for name in RANGES
    )
    body += HALVES
    folder = tmp_path_factory.mktemp("cblocks")
    (folder / "blocks.cpp").write_text(HEADER + needed_blocks(body) + body)
    flags = [
        "-O3",
        "-march=native",
        "-std=c++17",
        "-fopenmp",
        "-fno-math-errno",
        "-fno-trapping-math",
        "-shared",
        "-fPIC",
    ]
    subprocess.run(["g++", *flags, folder / "blocks.cpp", "-o", folder / "blocks.so"], check=True)
    return ctypes.CDLL(str(folder / "blocks.so"))


def run(library, name, x):
    y = np.empty_like(x)
    function = getattr(library, f"run_{name}")
    function(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(len(x)))
    return y


def arguments(name):
    low, high = RANGES[name]
    lot = np.random.default_rng(0)
    spread = lot.uniform(low, high, 1 << 19)
    small = lot.uniform(-1, 1, 1 << 19) if low < 0 else np.exp(lot.uniform(np.log(low), np.log(high), 1 << 19))
    return np.clip(np.concatenate([spread, small]), low, high).astype(np.float32)


@pytest.mark.parametrize("name", RANGES)
def test_the_error_is_a_few_units_in_the_last_place(library, name):
    x = arguments(name)
    want = exact(name, x)
    unit = np.spacing(np.maximum(np.abs(want), np.finfo(np.float32).tiny).astype(np.float32)).astype(np.float64)
    error = np.abs(run(library, name, x).astype(np.float64) - want) / unit
    assert error.max() < UNITS.get(name, 3.0), f"kw_{name}({x[error.argmax()]!r}) is off by {error.max():.2f} units"


@pytest.mark.parametrize("name", [n for n in RANGES if n != "exp_fast"])
def test_special_values_are_what_they_are_in_float64(library, name):
    got, want = run(library, name, SPECIAL), exact(name, SPECIAL)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
    finite = np.isfinite(want)
    np.testing.assert_allclose(got[finite], want[finite], rtol=1e-6, atol=1e-37)


def convert(function, x, dtype):
    y = np.empty(len(x), dtype)
    function(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(len(x)))
    return y


def test_every_half_is_read_as_it_is(library):
    halves = np.arange(1 << 16, dtype=np.uint16)
    np.testing.assert_array_equal(convert(library.load_f16, halves, np.float32), halves.view(np.float16))


def test_floats_are_rounded_to_halves_as_ieee_has_it(library):
    halves = np.arange(1 << 15, dtype=np.uint16).view(np.float16)
    exact_ones = halves[np.isfinite(halves)].astype(np.float64)
    between = (exact_ones[1:] + exact_ones[:-1]) / 2  # ties
    x = np.concatenate([exact_ones, between, between * (1 + 2e-7), between * (1 - 2e-7), [65519.9, 65520.0, 1e9]])
    x = np.concatenate([x, -x, SPECIAL]).astype(np.float32)
    with np.errstate(over="ignore"):
        want = x.astype(np.float16)
    got = convert(library.store_f16, x, np.uint16).view(np.float16)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got)[~np.isnan(x)], np.signbit(want)[~np.isnan(x)])
