"""Floors: how fast an operator can be at most, and when nothing is left to win."""

from dataclasses import replace

import pytest

from tools.problem import CaseFacts, Description, TensorFacts
from tools.roofline import (
    AT_FLOOR,
    BEYOND_CACHES,
    HOST_TIMES,
    TOO_FAST,
    UNKNOWN,
    Ceilings,
    Floor,
    floor_of,
    floors,
    nothing_left,
    rate,
    roof_of,
    summary,
)
from tools.verdict import Timing

H200 = Ceilings(
    device="NVIDIA H200",
    bandwidth=4e12,
    copy=4e12,
    read=4e12,
    write=4e12,
    ops={"float64": 60e12, "float32": 50e12, "tf32": 360e12, "float16": 700e12, "bfloat16": 720e12},
    cache_bytes=50_000_000,
    kind="cuda",
)
GIB = 1 << 30


def tensor(dtype="float32"):
    return TensorFacts(shape=(64, 64), dtype=dtype)


def case(moved=GIB, products=None, dtype="float32", **more):
    facts = {"inputs": (tensor(dtype),), "outputs": (tensor(dtype),), "flops": 0, "products": products or {}}
    return CaseFacts(name="default", bytes_moved=moved, **{**facts, **more})


def described(one, *operators):
    return Description(problem="p", cases=(one,), operators=tuple(f"aten.{name}.default" for name in operators))


def floor(one, *operators, ceilings=H200, precision="native"):
    return floor_of(one, described(one, *operators), ceilings, precision)


def test_a_floor_is_what_takes_longer():
    by_memory = floor(case(products={"float32": 1000}), "mm")
    assert (by_memory.seconds, by_memory.bound, by_memory.doubt) == (GIB / 4e12, "memory", None)
    by_products = floor(case(1000, {"bfloat16": 10**15}, "bfloat16"), "mm")
    assert (by_products.bound, by_products.doubt) == ("compute", None)
    assert by_products.seconds == pytest.approx(10**15 / 720e12)


@pytest.mark.parametrize(
    ("dtype", "precision", "narrow", "expected"),
    [
        ("float32", "native", 4, 700e12 / 3),  # in two parts of float16
        ("float32", "tolerance", 4, 720e12),
        ("float32", "native", 2, 720e12),  # what was bfloat16 before can be multiplied as bfloat16
        ("bfloat16", "native", 2, 720e12),
        ("float64", "native", 8, 60e12),
        ("float64", "native", 4, 700e12 / 3),
        ("complex64", "native", 4, 700e12 / 3),
        ("float8_e4m3fn", "native", 1, UNKNOWN * 720e12),
        ("float32", "native", 1, UNKNOWN * 720e12),
        ("unknown", "native", 4, UNKNOWN * 720e12),
    ],
)
def test_products_count_at_the_fastest_way_the_licence_lets_pass(dtype, precision, narrow, expected):
    assert rate(H200, dtype, precision, narrow) == pytest.approx(expected)


def test_tf32_counts_only_where_a_tolerance_is_stated():
    tf32 = Ceilings("d", 1e12, 1e12, 1e12, 1e12, {"float32": 50e12, "tf32": 60e12}, kind="cuda")
    assert rate(tf32, "float32", "native") == 50e12
    assert rate(tf32, "float32", "tolerance") == 60e12


def test_no_rate_is_below_any_that_was_measured_for_it():
    for precision in ("native", "tolerance"):
        for dtype, measured in H200.ops.items():
            for narrow in (1, 2, 4, 8):
                if dtype != "tf32":
                    assert rate(H200, dtype, precision, narrow) >= measured


def test_products_of_unknown_precision_make_the_lowest_floor():
    one = case(1000, flops=10**15)
    unknown = one.model_copy(update={"products": None})
    known = one.model_copy(update={"products": {"bfloat16": 10**15}})
    assert floor(unknown, "mm").seconds < floor(known, "mm").seconds
    assert floor(unknown, "mm").doubt == "its operators are not known"


def test_narrow_parameters_count_as_narrow_inputs_do():
    wide = case(1000, {"float32": 10**15})
    assert floor(wide.model_copy(update={"state_dtypes": ("float16",)}), "mm").seconds < floor(wide, "mm").seconds
    assert floor(case(1000, {"float32": 10**15}, "bool"), "mm").seconds == floor(wide, "mm").seconds


def test_parameters_that_fit_into_the_cache_may_stay_there():
    assert floor(case(GIB, state_bytes=10_000_000), "mul").seconds == (GIB - 10_000_000) / 4e12
    assert floor(case(GIB, state_bytes=GIB), "mul").seconds == (GIB - 50_000_000) / 4e12


def test_nothing_to_do_is_no_floor():
    assert floor(case(0)) is None
    assert floors(described(case(0)), H200, "native") == {}


@pytest.mark.parametrize(
    ("one", "operators", "doubt"),
    [
        (case(), (), "not known"),
        (case(), ("mul", "tril"), "tril"),
        (case(), ("mul", "sum"), None),
        (case(50_000_000), ("mul",), "last-level cache"),
        (case(1000, {"bfloat16": 10**15}, "bfloat16"), ("mm", "mm"), "several products"),
        (case(1000, {"bfloat16": 10**15}, "bfloat16"), ("mm", "sum"), "sum"),
        (case(1000, {"bfloat16": 10**15}, "bfloat16"), ("mm", "relu"), None),
    ],
)
def test_a_floor_says_what_it_takes_for_granted(one, operators, doubt):
    found = floor(one, *operators).doubt
    assert found is None if doubt is None else doubt in found


def test_on_the_host_far_more_than_the_cache_has_to_be_moved():
    host = Ceilings(
        "a processor", 40e9, 30e9, 40e9, 35e9, {"float32": 1e11}, cache_bytes=32 << 20, kind="cpu", times=HOST_TIMES
    )
    assert floor(case(BEYOND_CACHES["cpu"] * (32 << 20)), "mul", ceilings=host).doubt is None
    assert floor(case(BEYOND_CACHES["cpu"] * (32 << 20) - 1), "mul", ceilings=host).doubt is not None
    unknown = Ceilings(
        "a processor", 40e9, 30e9, 40e9, 35e9, {"float32": 1e11}, cache_bytes=0, kind="cpu", times=HOST_TIMES
    )
    assert "not known" in floor(case(1 << 40), "mul", ceilings=unknown).doubt


def test_what_the_host_reaches_is_believed_when_several_runs_have_seen_it():
    once = Ceilings(
        "a processor", 40e9, 30e9, 40e9, 35e9, {"float32": 1e11}, 32 << 20, kind="cpu", times=HOST_TIMES - 1
    )
    assert "too seldom" in floor(case(1 << 40), "mul", ceilings=once).doubt


def test_at_its_floor_is_claimed_only_where_it_is_certain():
    certain, doubtful = Floor(1.0, "memory"), Floor(1.0, "memory", "who knows")
    assert certain.reached_in(1 / AT_FLOOR) is True
    assert certain.reached_in(1.01 / AT_FLOOR) is False
    assert doubtful.reached_in(1.0) is None
    assert doubtful.reached_in(2.0) is False
    assert certain.reached_in(0.99 / TOO_FAST) is None  # then the ceiling is too low


def timing(seconds):
    return Timing(median_s=seconds, p5_s=seconds, p95_s=seconds, samples=9)


def two(*found):
    cases = [case().model_copy(update={"name": name, "floor": one}) for name, one in zip("ab", found, strict=True)]
    return Description(problem="p", cases=tuple(cases))


def test_nothing_is_left_where_the_best_baseline_is_at_its_floor_in_every_case():
    description = two(Floor(1.0, "memory"), Floor(2.0, "compute"))
    slow, quick = {"a": timing(9.0), "b": timing(2.05)}, {"a": timing(1.04), "b": timing(9.0)}
    found = nothing_left(description, {"eager": slow, "tuned": quick})
    assert [(one.case, one.baseline, one.bound) for one in found] == [
        ("a", "tuned", "memory"),
        ("b", "eager", "compute"),
    ]
    assert found[0].fraction == pytest.approx(1 / 1.04)
    assert nothing_left(description, {"tuned": quick}) == []
    assert nothing_left(two(Floor(1.0, "memory"), None), {"eager": slow, "tuned": quick}) == []
    assert nothing_left(two(Floor(1.0, "memory", "?"), Floor(2.0, "compute")), {"eager": slow, "tuned": quick}) == []
    assert nothing_left(description, {}) == []


def test_a_summary_is_the_mean_over_all_cases_or_nothing():
    known = {"a": Floor(1.0, "memory"), "b": Floor(1.0, "memory")}
    fraction, headroom, at_floor = summary({"a": 2.0, "b": 8.0}, known)
    assert (fraction, headroom, at_floor) == (pytest.approx(0.25), pytest.approx(4.0), False)
    assert summary({"a": 0.5, "b": 1.0}, known)[0] == 1.0
    assert summary({"a": 1.0, "b": 1.0}, known)[2] is True
    assert summary({"a": 0.5, "b": 1.0}, known)[2] is None
    assert summary({"a": 0.5, "b": 5.0}, known)[2] is False
    assert summary({"a": 1.0, "c": 1.0}, known) == (None, None, None)


def test_what_limits_is_named():
    assert roof_of(["memory", "memory"]) == "the memory bandwidth"
    assert roof_of(["compute"]) == "the arithmetic peak"
    assert roof_of(["compute", "memory"]) == roof_of([None]) == roof_of([]) == "the roofline"


def test_what_torchs_product_reaches_is_no_ceiling_of_a_processor():
    host = Ceilings(
        "a processor", 40e9, 30e9, 40e9, 35e9, {"float32": 1e11}, cache_bytes=32 << 20, kind="cpu", times=HOST_TIMES
    )
    one = case(1000, {"float32": 10**12})
    assert "may reach more" in floor(one, "mm", ceilings=host).doubt
    assert floor(one, "mm").doubt is None


@pytest.mark.parametrize(
    ("copy", "read", "written", "seconds"),
    [
        (4.2e12, 4 * GIB, 0, 4 * GIB / 4.7e12),
        (4.2e12, 0, 4 * GIB, 4 * GIB / 4.0e12),
        (4.2e12, 2 * GIB, 2 * GIB, 2 * GIB / 4.7e12 + 2 * GIB / 4.0e12),  # the one after the other is faster
        (4.5e12, 2 * GIB, 2 * GIB, 4 * GIB / 4.5e12),
        (4.5e12, 3 * GIB, 1 * GIB, 2 * GIB / 4.5e12 + 2 * GIB / 4.7e12),
    ],
)
def test_a_device_s_floor_knows_reads_from_writes(copy, read, written, seconds):
    ceilings = replace(H200, bandwidth=4.7e12, copy=copy, read=4.7e12, write=4.0e12)
    one = case(moved=read + written, bytes_written=written)
    assert floors(described(one, "relu"), ceilings, "native")["default"].seconds == pytest.approx(seconds)
    host = replace(ceilings, kind="cpu")
    assert floors(described(one, "relu"), host, "native")["default"].seconds == pytest.approx((read + written) / 4.7e12)
