"""The baselines of a crew, without processes."""

from pathlib import Path

import pytest

from sandbox.fake import FakeSandbox
from tests.tools.judged import problem
from tools.baselines import COMPILED, EAGER
from tools.contender import Contender, Rejected, blame_ourselves
from tools.crew import Crew, Site, Warmed
from tools.harness.licence import Licence
from tools.launching import Launcher
from tools.problem import Description
from tools.worker import WorkerFailed


class Answering:
    """A worker that has loaded the problem."""

    def ask_facts(self, op, body, sizes):
        return {}, []

    def close(self):
        pass


@pytest.fixture
def crew(tmp_path: Path) -> Crew:
    sandbox = FakeSandbox(answers=[lambda _: b""])
    launcher = Launcher(sandbox, threads=1, memory_bytes=1 << 30, timeout_s=1.0)
    crew = Crew(launcher, Site(problem(), tmp_path, tmp_path, 1 << 30), Licence(), lambda: None)
    crew._workers = {EAGER: Answering(), COMPILED: Answering()}
    return crew


def test_a_baseline_that_is_left_out_is_left_out_of_every_case(crew, monkeypatch):
    def warm_case(contender, inputs):
        if contender.name == COMPILED and inputs == "large":
            raise Rejected("wrong_output", "far off")
        return Warmed(1e-3 if contender.name == COMPILED else 1e-2, 0.0)

    monkeypatch.setattr(crew, "_warm_case", warm_case)
    assert crew._warm(EAGER, {"small": "small", "large": "large"}) is not None
    assert crew._warm(COMPILED, {"small": "small", "large": "large"}) is None
    assert crew.notes == ["torch.compile is no baseline here: far off"]
    assert [crew.best_guess(case) for case in ("small", "large")] == [EAGER, EAGER]


def test_what_is_special_about_the_reference_is_noted_once_and_by_a_later_crew_too(crew, monkeypatch):
    found = Description(problem="scaled_softmax", cases=(), notes=("it updates buffers",)), frozenset()
    monkeypatch.setattr(crew, "constructor", lambda: None)
    monkeypatch.setattr(Crew, "_start", lambda self, name: Answering())
    monkeypatch.setattr(crew.oracle, "describe", lambda: found)
    for _ in range(2):
        assert crew.describe() == found
    later = Crew(crew._launcher, crew._site, Licence(), lambda: None, crew)
    monkeypatch.setattr(later, "constructor", lambda: None)
    later.describe()
    assert crew.notes == later.notes == ["it updates buffers"]


def test_what_a_problem_sends_is_read_to_its_end_and_its_failures_are_told_as_they_are():
    class Telling(Answering):
        def ask_facts(self, op, body, sizes):
            told.append((op, body, list(sizes({"tensors": [["float32", [3], [1], 3], ["int64", [2], [1], 2]]}))))
            if body["name"] == "broken":
                raise WorkerFailed("fault", "forward() raised ValueError")

    told = []
    contender = Contender(EAGER, Telling(), blame_ourselves(EAGER))
    contender.open_problem({"name": "good"})
    assert told == [("problem", {"name": "good"}, [12, 16])]
    with pytest.raises(WorkerFailed, match="raised ValueError"):
        contender.open_problem({"name": "broken"})


class Closing:
    def __init__(self):
        self.closed = False

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [
        (
            {"eager": [1.0], "torch.compile": [1.2], "tuned": [1.1]},
            {"eager", "tuned"},
        ),
        (
            {"eager": [2.0], "torch.compile": [1.0], "tuned": [1.1]},
            {"torch.compile", "tuned"},
        ),
        ({"eager": [2.0, 1.0], "torch.compile": [1.0, 2.0]}, {"eager", "torch.compile"}),
        ({"eager": [2.0, 1.4], "torch.compile": [1.0, 1.0]}, {"torch.compile"}),
    ],
)
def test_on_a_device_only_the_fastest_baselines_are_kept(seconds, kept):
    crew = Crew.__new__(Crew)
    crew.slower = {}
    crew._baselines = before = {name: Closing() for name in seconds}
    before = dict(before)
    cases = range(len(seconds["eager"]))
    crew.warmed = {str(case): {name: Warmed(times[case], 0.0) for name, times in seconds.items()} for case in cases}
    crew._drop_slow_ones()
    assert set(crew._baselines) == kept
    assert {name for name, contender in before.items() if contender.closed} == set(seconds) - kept
    for case in cases:
        told = crew.slower_on(str(case))
        assert {name: timing.median_s for name, timing in told.items()} == {
            name: seconds[name][case] for name in set(seconds) - kept
        }
        assert crew.best_guess(str(case)) in kept
