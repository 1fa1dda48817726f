"""Tuning within a run: scripted judges, real log, real graph."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from agent.events import read_events
from agent.replaying import replay
from agent.run import Seams, optimize
from tools.fake_judge import FakeJudge, accepted
from tools.parameters import parameters_of
from tools.verdict import Measurement

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAM = Path(__file__).parents[1] / "toy_tuning.py"
sys.path.insert(0, str(PROGRAM.parent))


@pytest.fixture
def tuning(toy, monkeypatch):
    monkeypatch.setitem(sys.modules, "toy_search", toy)
    spec = importlib.util.spec_from_file_location("toy_tuning", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(toy, "source_of", module.source_of)
    return module


def search(toy, tuning, home: Path, judge=None, **settings):
    judge = judge or FakeJudge(tuning.follow, measurements=tuning.measure_truly)
    settings = {"max_candidates": 2, "slots": 1, **settings}
    outcome = optimize(
        toy.PROBLEM, toy.settings(home, **settings), seams=Seams(judge=judge, propose=toy.climb, model=object())
    )
    return outcome, read_events(Path(outcome.run_dir) / "events.jsonl"), judge


def of(events, kind):
    return [event.data for event in events if event.type == kind]


def test_the_quickest_right_setting_is_written_in_judged_and_left(toy, tuning, home: Path) -> None:
    outcome, events, judge = search(toy, tuning, home)
    first, winner = of(events, "judged")
    (tuned,) = of(events, "tuned")
    assert (tuned["tried"], tuned["failed"], tuned["values"]) == (6, 3, {"STEP": 5})
    assert (winner["parent"], winner["candidate"]) == (first["candidate"], tuned["winner"])
    assert judge.judged == [first["candidate"], winner["candidate"]], "one verdict on the winner, none on the others"
    assert "STEP=5" in winner["strategy"]
    assert "STEP=5" in winner["verdict"]["log"]
    assert "1 failed: compile_error" in winner["verdict"]["log"]
    assert all("tuning chose STEP=5" in data["lesson"] for data in of(events, "reflected"))
    left = Path(outcome.best["path"]).read_text()
    assert "STEP = 5  # tuned over 1..6" in left
    assert parameters_of(left) == ()
    told = replay(Path(outcome.run_dir))
    assert told.differences(Path(outcome.run_dir)) == []
    assert "## Numbers" in told.files["report.md"]


def test_a_wrong_setting_that_looks_quick_cannot_win(toy, tuning, home: Path) -> None:
    """Wrong only on what a quick measurement does not try: its verdict says so, and the defaults stay in front."""
    judge = FakeJudge(tuning.follow, measurements=tuning.measure)
    outcome, events, _ = search(toy, tuning, home, judge)
    first, winner = of(events, "judged")
    assert of(events, "tuned")[0]["values"] == {"STEP": 6}
    assert winner["verdict"]["status"] == "rejected"
    assert outcome.best["candidate"] == first["candidate"]
    assert judge.confirmed == [first["candidate"]]


def test_a_lucky_measurement_is_not_believed(toy, tuning, home: Path) -> None:
    lucky = FakeJudge(
        lambda source: accepted(1.2 if tuning.step_of(source) == 5 else 1.5),
        measurements=lambda source: Measurement(speedup=9.0 if tuning.step_of(source) == 5 else 1.5),
    )
    outcome, events, _ = search(toy, tuning, home, lucky)
    assert of(events, "tuned")[0]["values"] == {"STEP": 5}
    assert (outcome.best["candidate"], outcome.best["speedup"]) == (of(events, "judged")[0]["candidate"], 1.5)


class Lucky(FakeJudge):
    """One setting is quick when it is measured for the first time."""

    def __init__(self, tuning, afterwards: float | None) -> None:
        super().__init__(tuning.follow, measurements=tuning.measure_truly)
        self._step, self._afterwards = tuning.step_of, afterwards

    def measure(self, candidate, notice=None):
        found = super().measure(candidate, notice)
        if self._step(candidate.source) != 3:
            return found
        first = self.measured.count(candidate.id) == 1
        return Measurement(speedup=9.0 if first else self._afterwards, reason=None if first else "wrong_output")


@pytest.mark.parametrize("afterwards", [1.0, None])
def test_what_was_quick_once_is_measured_again_beside_the_defaults_and_dropped(toy, tuning, home, afterwards) -> None:
    _, events, _ = search(toy, tuning, home, Lucky(tuning, afterwards), stall=1)
    (tuned,) = of(events, "tuned")[:1]
    again = [data for data in of(events, "setting_again") if data["candidate"] == tuned["candidate"]]
    winner = next(data["number"] for data in of(events, "setting_tried") if data["values"] == {"STEP": 3})
    assert [data["number"] for data in again] == [0, winner, winner, 0]
    assert (tuned["values"], tuned["winner"], tuned["again"], tuned["speedup"]) == (None, None, 4, afterwards)
    assert "tuning kept the defaults" in of(events, "reflected")[0]["lesson"]


def test_defaults_that_nothing_beats_stay_and_cost_no_verdict(toy, tuning, home: Path) -> None:
    flat = FakeJudge(lambda source: accepted(1.5), measurements=lambda source: Measurement(speedup=1.5))
    _, events, _ = search(toy, tuning, home, flat, max_candidates=3, stall=1)
    assert of(events, "tuned")[0]["winner"] is None
    assert "tuning kept the defaults" in of(events, "reflected")[0]["lesson"]
    assert all(data["parent"] is None or "tuned" not in data["strategy"] for data in of(events, "judged"))


def test_the_budgets_hold(toy, tuning, home: Path) -> None:
    _, events, judge = search(toy, tuning, home / "a", tune_trials=3)
    assert len(of(events, "setting_tried")) + len(of(events, "setting_again")) == len(judge.measured)
    assert len(of(events, "setting_tried")) == 3
    assert of(events, "tuned")[0]["ended_by"] == "tune_trials"
    _, events, judge = search(toy, tuning, home / "b", tune_trials=0)
    assert not judge.measured
    assert not of(events, "tuned")
    _, events, judge = search(toy, tuning, home / "c", max_candidates=1)
    assert not judge.measured, "its winner could not be judged"
    assert of(events, "tuned")[0]["ended_by"] == "max_candidates"


def test_seconds_end_it(toy, tuning, home: Path) -> None:
    now = [0.0]

    class Slow(FakeJudge):
        def measure(self, candidate, notice=None):
            now[0] += 10.0
            return super().measure(candidate, notice)

    judge = Slow(tuning.follow, measurements=tuning.measure_truly)
    seams = Seams(judge=judge, propose=toy.climb, model=object(), clock=lambda: now[0])
    chosen = toy.settings(home, max_candidates=2, slots=1, tune_seconds=40.0)
    outcome = optimize(toy.PROBLEM, chosen, seams=seams)
    (tuned,) = of(read_events(Path(outcome.run_dir) / "events.jsonl"), "tuned")
    assert (tuned["tried"], tuned["ended_by"]) == (2, "tune_seconds"), "half of 40 s, 10 s each"
    assert now[0] <= 40.0, "what is measured again is tuning, too"


def test_what_is_far_from_the_fastest_is_not_tuned(toy, tuning, home: Path) -> None:
    def judged(source: str):
        return accepted(3.0 if toy.value_of(source) == 130 else 1.5)

    def propose(task, **_):
        return toy.proposal([130, 110][task.slot])

    judge = FakeJudge(judged, measurements=lambda source: Measurement(speedup=1.0))
    chosen = toy.settings(home, max_candidates=4, slots=2, stall=1)
    outcome = optimize(toy.PROBLEM, chosen, seams=Seams(judge=judge, propose=propose, model=object()))
    told = of(read_events(Path(outcome.run_dir) / "events.jsonl"), "tuned")
    assert [data["ended_by"] for data in told] == ["exhausted", "hopeless"]


def test_a_run_killed_at_any_event_comes_to_the_same_end_and_measures_nothing_twice(tmp_path: Path) -> None:
    events = [0, *range(4, 52, 2)]
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path), *map(str, events), json.dumps({"max_candidates": 4, "slots": 1})],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(PROGRAM.parent)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    came = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one.pop("event") for one in came] == events
    whole = came[0]
    tries = [e.data for e in read_events(tmp_path / "0" / "run" / "events.jsonl") if e.type == "setting_tried"]
    once = Counter((tmp_path / "0" / "measured").read_text().split())
    assert (len(tries), sum(once.values())) == (12, 20), "two candidates are tuned, and two settings of each run off"
    for number, one in zip(events, came, strict=True):
        assert one == whole, f"killed at event {number}"
        log = read_events(tmp_path / str(number) / "run" / "events.jsonl")
        again = [{**e.data, "seconds": 0} for e in log if e.type == "setting_tried"]
        assert again == [{**data, "seconds": 0} for data in tries], f"killed at event {number}"
        asked = Counter((tmp_path / str(number) / "measured").read_text().split())
        assert sum((asked - once).values()) <= 1, f"killed at event {number}: more than what was in flight"
