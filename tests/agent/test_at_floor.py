"""Runs of operators that have nothing left to win, or of candidates that leave nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.events import read_events
from agent.reporting import render_report
from agent.run import Outcome, Seams, optimize, resume
from kernelwright.closing import closing_table
from kernelwright.run_view import RunView
from tools.fake_judge import DEFAULT_BASELINES, FakeJudge, accepted, describe_softmax
from tools.problem import Description
from tools.problem_text import cases_text
from tools.roofline import Floor

BEST_S = min(DEFAULT_BASELINES.values())


def described(floor: Floor | None) -> Description:
    description = describe_softmax()
    return description.model_copy(update={"cases": (description.cases[0].model_copy(update={"floor": floor}),)})


def run(toy: Any, home: Path, floor: Floor | None, **settings: Any) -> tuple[Outcome, FakeJudge, list[Any]]:
    asked: list[Any] = []

    def propose(task: Any, **_: Any) -> Any:
        asked.append(task)
        return toy.proposal(150)

    judge = FakeJudge(toy.follow, description=described(floor))
    seams = Seams(judge=judge, propose=propose, model=object())
    outcome = optimize(toy.PROBLEM, toy.settings(home, memory=False, max_candidates=1, **settings), seams=seams)
    return outcome, judge, asked


def test_no_model_is_asked_where_the_best_baseline_is_at_its_floor(toy: Any, home: Path) -> None:
    outcome, judge, asked = run(toy, home, Floor(0.97 * BEST_S, "memory"))
    assert (outcome.status, outcome.exit_code, outcome.stop_reason) == ("no_improvement", 1, "at_floor")
    assert (asked, judge.judged, outcome.tokens, outcome.candidates) == ([], [], 0, 0)
    assert "nothing is left to win: compile reaches 97% of the memory bandwidth" in outcome.message
    assert "--no-stop-at-floor" in outcome.message
    events = read_events(Path(outcome.run_dir) / "events.jsonl")
    (event,) = [event for event in events if event.type == "at_floor"]
    (case,) = event.data["cases"]
    assert (case["baseline"], case["bound"], case["case"]) == ("compile", "memory", "default")
    view = RunView()
    assert [line for line in map(view.apply, events) if line and "nothing is left" in line] == [outcome.message]
    assert outcome.message in render_report(Path(outcome.run_dir))
    assert "at floor" in render_report(Path(outcome.run_dir))
    assert "stopped by at_floor" in closing_table(outcome.to_json())


@pytest.mark.parametrize(
    "floor",
    [
        None,
        Floor(0.9 * BEST_S, "memory"),
        Floor(0.97 * BEST_S, "memory", "its operators are not known"),
        Floor(2 * BEST_S, "compute"),
    ],
)
def test_where_something_may_be_left_a_search_begins(toy: Any, home: Path, floor: Floor | None) -> None:
    outcome, judge, asked = run(toy, home, floor)
    assert (outcome.status, len(judge.judged)) == ("improved", 1)
    assert asked


def test_who_wants_to_searches_all_the_same(toy: Any, home: Path) -> None:
    outcome, judge, _ = run(toy, home, Floor(0.97 * BEST_S, "memory"), stop_at_floor=False)
    assert (outcome.status, len(judge.judged)) == ("improved", 1)


def test_a_run_that_was_killed_before_it_ended_ends_the_same_way(toy: Any, home: Path) -> None:
    outcome, judge, _ = run(toy, home, Floor(0.97 * BEST_S, "memory"))
    log = Path(outcome.run_dir) / "events.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if '"type": "run_finished"' not in line))
    (Path(outcome.run_dir) / "checkpoints.db").unlink(missing_ok=True)
    again = resume(Path(outcome.run_dir), seams=Seams(judge=judge, propose=None, model=object()))
    assert (again.stop_reason, again.message) == ("at_floor", outcome.message)
    assert sum(event.type == "at_floor" for event in read_events(log)) == 1


@pytest.mark.parametrize(
    ("verdict", "settings", "reason"),
    [
        ({"at_floor": True}, {}, "at_floor"),
        ({"at_floor": None, "roofline_fraction": 0.9}, {"target_roofline": 0.9}, "target_roofline"),
        ({"at_floor": True}, {"stop_at_floor": False}, "max_candidates"),
        ({"at_floor": None, "roofline_fraction": 0.8}, {"target_roofline": 0.9}, "max_candidates"),
    ],
)
def test_a_champion_that_leaves_nothing_ends_the_search(
    toy: Any, home: Path, verdict: dict[str, Any], settings: dict[str, Any], reason: str
) -> None:
    def propose(task: Any, **_: Any) -> Any:
        return toy.proposal(150 + 10 * task.round)

    judge = FakeJudge(lambda source: accepted(toy.value_of(source) / 100).model_copy(update=verdict))
    seams = Seams(judge=judge, propose=propose, model=object())
    chosen = toy.settings(home, memory=False, max_candidates=3, slots=1, **settings)
    outcome = optimize(toy.PROBLEM, chosen, seams=seams)
    assert (outcome.status, outcome.stop_reason) == ("improved", reason)
    assert outcome.candidates == (3 if reason == "max_candidates" else 1)


def test_what_a_model_reads_says_what_limits_a_case() -> None:
    text = cases_text(described(Floor(1.25e-4, "compute")))
    told = "81920 flops; by this device's measured ceilings about 0.000125 s at least, bound by the arithmetic peak"
    assert text.endswith(told)
    assert "at least, bound" not in cases_text(described(None))


def test_the_report_says_what_is_left_to_win(toy: Any, home: Path) -> None:
    update = {"roofline_fraction": 0.5, "headroom": 2.0, "at_floor": False}
    judge = FakeJudge(
        lambda source: accepted(1.5).model_copy(update=update), description=described(Floor(1e-4, "memory", "a doubt"))
    )
    seams = Seams(judge=judge, propose=lambda task, **_: toy.proposal(150), model=object())
    outcome = optimize(toy.PROBLEM, toy.settings(home, memory=False, max_candidates=1), seams=seams)
    report = (Path(outcome.run_dir) / "report.md").read_text()
    assert "Roofline: 50% of the roofline; at most 2.00x is left to win" in report
    assert "| 100 us, memory (a doubt) |" in report
