import numpy as np
import pytest

from tools.examining import MAX_SAMPLES, History
from tools.harness.licence import (
    EPS,
    FACTOR,
    FLOOR_EPS,
    Expected,
    Licence,
    compare,
    is_near,
    measure,
)
from tools.harness.wire import Leaf
from tools.harness.yardstick import NO_RESPONSE, NO_YARDSTICK, ErrorFacts, Response, Sample, Yardstick
from tools.inputs import InputSet

NATIVE = Licence()


def expected(oracle, eager=None, dtype="float32", **more) -> Expected:
    oracle = np.asarray(oracle)
    eager = oracle.astype(dtype) if eager is None else np.asarray(eager, dtype=dtype)
    exact = oracle.astype(np.float64) if dtype in EPS else oracle.astype(dtype)
    return Expected(Leaf(dtype, oracle.shape), exact.tobytes(), str(exact.dtype), eager.tobytes(), **more)


def examine(got, want: Expected, licence: Licence = NATIVE, yardstick: Yardstick = NO_YARDSTICK):
    return compare(np.asarray(got).tobytes(), want, licence, yardstick)


def drawn(want: Expected, seed: int, dress: str | None = None, rows: int | None = None) -> InputSet:
    return InputSet("default", None, (), (), seed, b"", (want,), dress, rows)


def to_bits(x: np.ndarray, bits: int) -> np.ndarray:
    """Round float32 to so many bits of mantissa."""
    shift = 23 - bits
    raw = x.astype(np.float32).view(np.int32)
    return ((raw + (1 << (shift - 1))) & ~((1 << shift) - 1)).view(np.float32)


@pytest.fixture(scope="module")
def product():
    lot = np.random.default_rng(5)
    a, b = lot.normal(size=(96, 256)), lot.normal(size=(256, 80))
    return a.astype(np.float32), b.astype(np.float32)


def test_another_order_of_summation_is_native(product):
    a, b = product
    total = np.zeros((96, 80), np.float32)
    for k in reversed(range(256)):
        total = (total + a[:, k : k + 1] * b[k : k + 1]).astype(np.float32)
    want = expected(a.astype(float) @ b.astype(float), a @ b)
    assert examine(total, want).passed


@pytest.mark.parametrize("bits", [10, 7], ids=["tf32", "bf16"])
def test_the_next_lower_precision_is_not(product, bits):
    a, b = product
    want = expected(a.astype(float) @ b.astype(float), a @ b)
    found = examine(to_bits(a, bits) @ to_bits(b, bits), want)
    assert (found.passed, found.reason) == (False, "wrong_output")
    assert found.error.worst > 10 * found.bound.worst


def test_the_floor_lets_a_few_last_places_pass_where_eager_is_exact():
    x = np.linspace(1, 2, 1000).astype(np.float32)
    off = x * np.float32(1 + FACTOR * (FLOOR_EPS - 1) * EPS["float32"])
    assert examine(off, expected(x, x)).passed
    worse = x * np.float32(1 + FACTOR * (FLOOR_EPS + 2) * EPS["float32"])
    assert not examine(worse, expected(x, x)).passed


def test_what_is_excused_widens_the_bound():
    x = np.ones(10, np.float32)
    off = x + np.float32(1e-4)
    assert not examine(off, expected(x)).passed
    assert examine(off, expected(x), yardstick=Yardstick(error=ErrorFacts(worst=3e-5, norm=3e-5))).passed


def test_eagers_error_on_earlier_seeds_and_the_response_to_nudges_are_excused():
    x, off = np.full(10, 2.0), np.full(10, 2.0002, np.float32)
    history = History()
    inputs = drawn(expected(x), 1)
    assert not examine(off, expected(x), yardstick=history.yardsticks(inputs, (NO_RESPONSE,))[0]).passed
    response = Sample(worst=6e-5, norm=6e-5 * 10**0.5, scale=2.0, reference=2 * 10**0.5)
    assert examine(off, expected(x), yardstick=history.yardsticks(inputs, (Response(response),))[0]).passed
    history.learn(drawn(expected(x, x + 6e-5), 2))
    assert examine(off, expected(x), yardstick=history.yardsticks(inputs, (NO_RESPONSE,))[0]).passed


def test_sets_of_another_dress_or_length_teach_nothing():
    history = History()
    history.learn(drawn(expected([1e3]), 1, "mixed"))
    history.learn(drawn(expected([1e6]), 2, "mixed", 8))
    assert history.yardsticks(drawn(expected([1.0]), 3), ())[0] == Yardstick()
    assert history.yardsticks(drawn(expected([1.0]), 3, "mixed"), ())[0].scale == 1e3
    assert history.yardsticks(drawn(expected([1.0]), 3, "mixed", 8), ())[0].scale == 1e6


def test_a_set_teaches_once_and_no_more_than_so_many_do():
    history = History()
    for seed in [0] * 100:
        history.learn(drawn(expected([1e6]), seed))
    for seed in range(1, MAX_SAMPLES):
        history.learn(drawn(expected([1.0]), seed))
    assert history.yardsticks(drawn(expected([1.0]), 0), ())[0].scale == 1.0
    for seed in range(MAX_SAMPLES, 10 * MAX_SAMPLES):
        history.learn(drawn(expected([1e9]), seed))
    assert history.yardsticks(drawn(expected([1.0]), 0), ())[0].scale == 1.0


def lanes(x: np.ndarray, count: int) -> np.ndarray:
    """A sum as so many running ones, in float32."""
    return np.add.accumulate(x.reshape(-1, count), axis=0)[-1].sum(dtype=np.float32)


@pytest.fixture(scope="module")
def sums():
    """Of 16384 normal numbers; the last three come close to 0."""
    lot = np.random.default_rng(8)
    drawn_sums = [lot.standard_normal(1 << 14).astype(np.float32) for _ in range(20)]
    for near in (1e-4, 1e-2, 1.0):
        x = drawn_sums[0].copy()
        x[7] = np.float32(x[7] - (x.astype(float).sum() - near))
        drawn_sums.append(x)
    return drawn_sums


def of_sum(x: np.ndarray) -> Expected:
    return expected([x.astype(float).sum()], [x.sum()])


def test_a_sum_that_comes_close_to_zero_may_be_summed_in_another_order(sums):
    history = History()
    for seed, x in enumerate(sums):
        history.learn(drawn(of_sum(x), seed))
    passed = []
    for x in sums[-3:]:
        want, got = of_sum(x), np.array([lanes(x, 16)])
        yardstick = history.yardsticks(drawn(want, 99), ())[0]
        assert examine(got, want, yardstick=yardstick).passed
        near = np.frombuffer(want.eager, np.float32) + np.float32(1e-5)
        assert is_near(near.tobytes(), want.eager, want, yardstick)
        passed.append(examine(got, want).passed)
    assert not all(passed)  # relative to itself it could not


@pytest.mark.parametrize("wild", [1e30, np.inf, np.nan])
def test_what_nobody_wrote_is_not_near_and_warns_nobody(wild):
    want = of_sum(np.ones(16, np.float32))
    yardstick = History().yardsticks(drawn(want, 0), ())[0]
    got = np.array([wild], np.float32)
    assert not is_near(got.tobytes(), want.eager, want, yardstick)
    assert not is_near(want.eager, got.tobytes(), want, yardstick)


@pytest.mark.parametrize("bits", [10, 7], ids=["tf32", "bf16"])
def test_a_sum_of_coarser_numbers_is_not_licensed_however_close_to_zero(sums, bits):
    history = History()
    for seed, x in enumerate(sums):
        history.learn(drawn(of_sum(x), seed))
    for x in sums:
        yardstick = history.yardsticks(drawn(of_sum(x), 99), ())[0]
        got = np.array([to_bits(x, bits).sum()])
        found = examine(got, of_sum(x), yardstick=yardstick)
        assert (found.passed, found.reason) == (False, "wrong_output")
        assert not is_near(got.tobytes(), of_sum(x).eager, of_sum(x), yardstick)


def test_a_lucky_zero_that_was_learnt_from_excuses_nothing():
    history = History()
    history.learn(drawn(expected([1e-9], [1e-5]), 0))
    for seed in range(1, 6):
        history.learn(drawn(expected([1.0]), seed))
    yardstick = history.yardsticks(drawn(expected([1.0]), 99), (Response(Sample(1e-6, 1e-6, 1e-8, 1e-8)),))[0]
    assert yardstick.error.worst == pytest.approx(1e-5, rel=1e-3)
    assert yardstick.error.norm == pytest.approx(1e-5, rel=1e-3)
    assert not examine(np.array([1.0001], np.float32), expected([1.0]), yardstick=yardstick).passed


def test_an_answer_larger_than_usual_is_measured_by_itself():
    yardstick = Yardstick(scale=1.0, reference=1.0)
    got = np.array([1e6 * (1 + 2**-20)], np.float32)
    assert examine(got, expected([1e6]), yardstick=yardstick).passed


def test_eager_is_measured_where_it_and_the_oracle_are_finite():
    want = expected([3.0, np.nan, -4.0, 1e39], [3.5, np.nan, -4.0, np.inf])
    assert measure(want) == Sample(0.5, 0.5, 4.0, 5.0)
    assert measure(expected([1, 2], dtype="int64")) == Sample()


def test_float64_has_no_finer_oracle_and_gets_the_larger_floor():
    x = np.ones(4)
    want = Expected(Leaf("float64", (4,)), x.tobytes(), "float64", x.tobytes())
    assert examine(x + 40 * EPS["float64"], want).passed
    assert not examine(x + 100 * EPS["float64"], want).passed
    assert not examine(x + EPS["float32"], want).passed


def test_one_wild_element_fails_though_the_norm_is_small():
    x = np.random.default_rng(1).normal(size=1 << 21).astype(np.float32)
    got = x.copy()
    got[(1 << 20) + 3] += 1e-3
    found = examine(got, expected(x))
    assert not found.passed
    assert found.error.norm < found.bound.norm


def test_a_large_element_does_not_hide_an_error_of_all_the_small_ones():
    x = np.full(1 << 16, 1e-6, np.float32)
    x[0] = 1.0
    got = np.where(np.arange(x.size) == 0, x, np.float32(0)).astype(np.float32)
    assert not examine(got, expected(x)).passed


@pytest.mark.parametrize(
    ("got", "oracle", "eager", "passed"),
    [
        ([1.0, np.nan], [1.0, np.nan], [1.0, np.nan], True),
        ([np.nan, np.nan], [1.0, np.nan], [1.0, np.nan], False),
        ([1.0, 2.0], [1.0, np.nan], [1.0, np.nan], False),
        ([1.0, np.inf], [1.0, np.inf], [1.0, np.inf], True),
        ([1.0, -np.inf], [1.0, np.inf], [1.0, np.inf], False),
        ([1.0, np.inf], [1.0, 1e39], [1.0, np.inf], True),
        ([1.0, np.nan], [1.0, 1e39], [1.0, np.inf], False),
    ],
)
def test_nan_and_infinity_stand_where_the_oracle_or_eager_has_them(got, oracle, eager, passed):
    found = examine(np.array(got, np.float32), expected(oracle, eager))
    assert found.passed is passed
    assert passed or found.reason == "wrong_output.nonfinite"


def test_all_nan_never_passes():
    x = np.ones(5, np.float32)
    for licence in (NATIVE, Licence("tolerance")):
        assert not examine(np.full(5, np.nan, np.float32), expected(x), licence).passed


def test_integers_are_the_oracles_or_eagers():
    want = expected([1, 2, 3], [1, 2, 4], dtype="int64")
    assert examine(np.array([1, 2, 3]), want).passed
    assert examine(np.array([1, 2, 4]), want).passed
    found = examine(np.array([1, 2, 5]), want)
    assert (found.passed, found.detail) == (False, "1 of 3 elements differ")


def test_booleans_are_exact():
    want = expected([True, False], dtype="bool")
    assert not examine(np.array([True, True]), want).passed


def test_bfloat16_is_read_as_such():
    values = np.array([1.0, -2.5, 3.140625, 1e30], np.float32)
    raw = (values.view(np.uint32) >> 16).astype(np.uint16)
    exact = (raw.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    want = Expected(Leaf("bfloat16", (4,)), exact.tobytes(), "float64", raw.tobytes())
    assert compare(raw.tobytes(), want, NATIVE).passed
    swapped = raw[::-1].copy()
    assert not compare(swapped.tobytes(), want, NATIVE).passed


def test_complex_numbers_compare_in_both_parts():
    z = np.array([1 + 2j, 3 - 4j])
    want = Expected(Leaf("complex64", (2,)), z.tobytes(), "complex128", z.astype(np.complex64).tobytes())
    assert examine(z.astype(np.complex64), want).passed
    assert not examine(z.conj().astype(np.complex64), want).passed


def test_an_all_zero_output_must_be_zero():
    want = expected(np.zeros(8, np.float32))
    assert examine(np.zeros(8, np.float32), want).passed
    assert not examine(np.full(8, 1e-3, np.float32), want).passed


def test_tolerance_is_around_the_oracle_and_widens_only_where_eager_misses_it():
    licence = Licence("tolerance", atol=0.0, rtol=1e-3)
    exact = np.array([1.0, 1.0])
    near, far = np.array([1.0005, 1.0], np.float32), np.array([1.004, 1.0], np.float32)
    assert examine(near, expected(exact), licence).passed
    assert not examine(far, expected(exact), licence).passed
    assert examine(far, expected(exact, [1.002, 1.0]), licence).passed
    assert not examine(far, expected(exact, [1.0005, 1.0]), licence).passed


def test_tolerances_default_by_dtype():
    assert Licence("tolerance").tolerance("float32") == (1e-4, 1e-4)
    assert Licence("tolerance").tolerance("bfloat16") == (1e-2, 1e-2)
    assert Licence("tolerance", atol=0.5).tolerance("float16") == (0.5, 1e-2)


def test_without_an_oracle_the_floor_makes_room_for_eagers_own_error():
    x = np.ones(4, np.float32)
    off = x + np.float32(40 * EPS["float32"])
    assert not examine(off, expected(x, x)).passed
    assert examine(off, expected(x, x, has_oracle=False)).passed
