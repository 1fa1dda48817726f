from __future__ import annotations

import pytest

from agent.reflecting import to_lesson
from tools.fake_judge import accepted, rejected
from tools.harness.yardstick import ErrorFacts
from tools.verdict import CaseVerdict, Timing

TIMING = Timing(median_s=1e-3, p5_s=1e-3, p95_s=1e-3, samples=1)


@pytest.mark.parametrize(
    ("verdict", "parent", "parts"),
    [
        (accepted(1.5), None, ["1.50x, faster than the best baseline"]),
        (accepted(1.5), 1.25, ["20% faster than its parent"]),
        (accepted(1.0), 1.25, ["no faster than the best baseline", "20% slower than its parent"]),
        (accepted(1.5), 1.501, ["the same as its parent"]),
        (accepted(1.01).model_copy(update={"faster": None}), None, ["not clearly faster"]),
        (accepted(1.5).model_copy(update={"roofline_fraction": 0.8}), None, ["80% of the roofline", "fewer bytes"]),
        (accepted(1.5).model_copy(update={"roofline_fraction": 0.1}), None, ["bound by computing"]),
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
    assert "weakest in case small (0.80x)" in to_lesson(verdict)


def test_a_long_detail_is_cut() -> None:
    assert len(to_lesson(rejected("compile_error", "x" * 5000))) < 400
