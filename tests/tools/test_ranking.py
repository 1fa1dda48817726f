"""From facts to findings: each rule where it speaks and where it is silent, and the order of what they say."""

import pytest

from tools.profiling.diagnosis import Finding, KernelFacts
from tools.profiling.ranking import (
    RULES,
    Timeline,
    bound_by,
    by_time,
    duration,
    of_compute,
    of_divergence,
    of_grid,
    of_kernels,
    of_latency,
    of_memory,
    of_occupancy,
    of_spills,
    of_timeline,
    ranked,
)


def kernel(**facts) -> KernelFacts:
    return KernelFacts(name="k", **facts)


@pytest.mark.parametrize(
    ("rule", "speaks", "silent"),
    [
        (of_memory, {"dram_fraction": 0.8, "sm_fraction": 0.3}, {"dram_fraction": 0.59, "sm_fraction": 0.1}),
        (of_memory, {"dram_fraction": 0.8}, {"dram_fraction": 0.8, "sm_fraction": 0.9}),
        (of_compute, {"dram_fraction": 0.3, "sm_fraction": 0.8}, {"dram_fraction": 0.9, "sm_fraction": 0.8}),
        (of_latency, {"dram_fraction": 0.3, "sm_fraction": 0.4}, {"dram_fraction": 0.3, "sm_fraction": 0.7}),
        (of_latency, {"dram_fraction": 0.0, "sm_fraction": 0.0}, {"sm_fraction": 0.1}),
        (of_grid, {"waves": 0.2}, {"waves": 0.95}),
        (of_grid, {"waves": 1.1}, {"waves": 8.1}),
        (of_occupancy, {"occupancy": 0.2}, {"occupancy": 0.2, "dram_fraction": 0.9}),
        (of_occupancy, {"occupancy_limit": 0.2}, {"occupancy": 0.5, "occupancy_limit": 0.2}),
        (of_spills, {"spill_bytes": 8}, {"spill_bytes": 0}),
        (of_divergence, {"active_threads": 12.0}, {"active_threads": 31.0}),
    ],
)
def test_a_rule_speaks_or_is_silent(rule, speaks, silent):
    found = rule(kernel(**speaks), 0.5)
    assert found is not None
    assert 0 < found.severity <= 0.5  # a kernel that takes half of the time is half of the trouble at most
    assert rule(kernel(**silent), 0.5) is None


def test_nothing_known_is_nothing_said():
    assert [rule(kernel(), 1.0) for rule in RULES] == [None] * len(RULES)
    assert of_kernels([]) == []
    assert bound_by(()) == "unknown"


def test_what_warps_wait_for_decides_the_advice():
    facts = {"dram_fraction": 0.2, "sm_fraction": 0.2}
    waiting = of_latency(kernel(**facts, stalls={"long_scoreboard": 0.7, "selected": 0.3}), 1.0)
    assert "long_scoreboard" in waiting.evidence
    assert "more loads in flight" in waiting.advice
    running = of_latency(kernel(**facts, stalls={"selected": 0.9, "barrier": 0.1}), 1.0)
    assert "barrier" not in running.evidence


def test_products_without_tensor_cores_are_pointed_out():
    facts = {"dram_fraction": 0.1, "sm_fraction": 0.9}
    assert "tl.dot" in of_compute(kernel(**facts, tensor_fraction=0.0), 1.0).advice
    assert "tl.dot" not in of_compute(kernel(**facts, tensor_fraction=0.8), 1.0).advice


def test_the_longer_kernel_comes_first_and_weighs_more():
    quick = KernelFacts(name="quick", seconds=1e-6, dram_fraction=0.9)
    slow = KernelFacts(name="slow", seconds=3e-6, dram_fraction=0.7)
    kernels = by_time([quick, slow])
    assert [(item.name, item.share) for item in kernels] == [("slow", 0.75), ("quick", 0.25)]
    assert [item.evidence[:4] for item in ranked(of_kernels(kernels))] == ["slow", "quic"]


def test_equals_are_always_in_the_same_order():
    found = [Finding(kind=kind, severity=0.5, evidence=kind, advice="x") for kind in ("spills", "launch", "memory")]
    orders = {tuple(item.kind for item in ranked(found[at:] + found[:at])) for at in range(3)}
    assert orders == {("memory", "launch", "spills")}


@pytest.mark.parametrize(
    ("kind", "bound"), [("sync", "launch"), ("spills", "latency"), ("occupancy", "occupancy"), ("hotspot", "memory")]
)
def test_the_first_that_says_what_limits_it_decides(kind, bound):
    first = Finding(kind=kind, severity=0.9, evidence="x", advice="x")
    second = Finding(kind="memory", severity=0.5, evidence="x", advice="x")
    assert bound_by([first, second]) == bound


def test_a_busy_device_has_no_gaps():
    assert of_timeline(Timeline(calls=2, span_s=1e-3, busy_s=0.95e-3, launches=2)) == []
    (gaps,) = of_timeline(Timeline(calls=2, span_s=1e-3, busy_s=0.25e-3, launches=10))
    assert (gaps.kind, gaps.severity) == ("launch", 0.75)
    assert "5 launches a call of 25 us each" in gaps.evidence
    (small,) = of_timeline(Timeline(calls=1, span_s=20e-6, busy_s=19e-6, launches=10))
    assert small.evidence == "10 launches a call, 1.9 us each"


def test_units_are_those_that_people_read():
    assert [duration(seconds) for seconds in (2.5, 3.2e-3, 4.56e-6, 1.2e-8)] == [
        "2.5 s",
        "3.2 ms",
        "4.56 us",
        "0.012 us",
    ]
