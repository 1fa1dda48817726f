from __future__ import annotations

import pytest

from agent.reflecting import to_lesson
from tools.fake_judge import accepted, rejected
from tools.harness.yardstick import ErrorFacts
from tools.verdict import CaseVerdict, Timing

TIMING = Timing(median_s=1e-3, p5_s=1e-3, p95_s=1e-3, samples=1)


def reaching(fraction: float, *bounds: str, at_floor: bool | None = None):
    cases = tuple(
        CaseVerdict(
            name=f"case {place}",
            speedup=1.5,
            speedup_ci95=(1.5, 1.5),
            candidate=TIMING,
            baselines={},
            aa_spread=0.0,
            floor_s=1e-3 * fraction,
            bound=bound,
        )
        for place, bound in enumerate(bounds)
    )
    update = {"roofline_fraction": fraction, "cases": cases, "at_floor": at_floor}
    return accepted(1.5).model_copy(update=update)


@pytest.mark.parametrize(
    ("verdict", "parent", "parts"),
    [
        (accepted(1.5), None, ["1.50x, faster than the best baseline"]),
        (accepted(1.5), 1.25, ["20% faster than its parent"]),
        (accepted(1.0), 1.25, ["no faster than the best baseline", "20% slower than its parent"]),
        (accepted(1.5), 1.501, ["the same as its parent"]),
        (accepted(1.01).model_copy(update={"faster": None}), None, ["not clearly faster"]),
        (reaching(0.8, "memory"), None, ["80% of the memory bandwidth", "fewer bytes"]),
        (reaching(0.8, "compute"), None, ["80% of the arithmetic peak", "narrower products"]),
        (reaching(0.8, "compute", "memory"), None, ["80% of the roofline", "less work"]),
        (reaching(0.97, "memory", at_floor=True), None, ["97% of the memory bandwidth: nothing is left to win"]),
        (reaching(0.1, "memory"), None, ["held up by computing, latency or threads"]),
        (reaching(0.1, "compute"), None, ["10% of the arithmetic peak: held up by memory"]),
        (reaching(0.5, "compute"), None, ["at 50% of the arithmetic peak"]),
        (reaching(0.1), None, ["10% of the roofline"]),
        (rejected("compile_error", "error: no\n  such thing"), None, ["does not build", "(error: no such thing)"]),
        (rejected("wrong_output.shape"), None, ["wrong_output.shape: an output has the wrong shape"]),
        (rejected("wrong_output.somewhere.new"), None, ["the numbers are wrong"]),
        (rejected("cheat.clock_disagreement"), None, ["cheat.clock_disagreement: it was caught"]),
        (rejected("unheard_of"), None, ["unheard_of: rejected"]),
    ],
)
def test_lessons(verdict, parent, parts: list[str]) -> None:
    lesson = to_lesson(verdict, parent_speedup=parent)
    for part in parts:
        assert part in lesson
    assert "\n" not in lesson


def test_an_error_is_told_beside_what_is_allowed() -> None:
    facts = {"error": ErrorFacts(worst=1e-3, norm=1e-4), "error_bound": ErrorFacts(worst=1e-6, norm=1e-6)}
    assert "0.001 of the output's scale, allowed 1e-06" in to_lesson(rejected("wrong_output").model_copy(update=facts))


def test_the_weakest_case_is_named() -> None:
    cases = tuple(
        CaseVerdict(
            name=name,
            speedup=speedup,
            speedup_ci95=(speedup, speedup),
            candidate=TIMING,
            baselines={},
            aa_spread=0.0,
        )
        for name, speedup in (("small", 0.8), ("large", 3.2))
    )
    verdict = accepted(1.6).model_copy(update={"cases": cases, "worst_case_speedup": 0.8})
    lesson = to_lesson(verdict)
    assert "weakest in case small (0.80x)" in lesson
    assert "by case: small 0.80x, large 3.20x" in lesson
    assert "it loses to the best baseline in small: do not trade cases for the mean" in lesson
    even = tuple(case.model_copy(update={"speedup_ci95": (0.7, 1.1)}) for case in cases)
    assert "loses" not in to_lesson(verdict.model_copy(update={"cases": even})), "what may be even is not lost"


def test_a_long_detail_is_cut() -> None:
    assert len(to_lesson(rejected("compile_error", "x" * 5000))) < 400
