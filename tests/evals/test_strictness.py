"""What strictness costs, with a judge that only says what it was told to, and without processes."""

from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace

import pytest

import evals.strictness
from evals.errors import SuiteError
from evals.integrity.corpus import PROBLEMS, load_corpus
from evals.strictness import Cost, as_lines, lax_seconds, measure_costs
from sandbox.fake import FakeSandbox
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.problem import JudgeSettings

SETTINGS = JudgeSettings(close_call_s=0)


@pytest.fixture(scope="module")
def programs():
    return [program for program in load_corpus() if program.is_honest and program.problem == "softmax"][:2]


class Machine:
    """A clock that only work moves, and the processes that were asked for."""

    def __init__(self):
        self.now, self.argvs, self.folders = 0.0, [], set()
        self.lax_s, self.told = 3.0, CompletedProcess([], 0, "", "")

    def monotonic(self):
        return self.now

    def run(self, argv, **about):
        path, work = Path(argv[4]), Path(argv[5])
        assert (work / "build").is_dir()
        self.folders.add(work)
        self.argvs.append((argv[3], path.name, path.read_text(encoding="utf-8")))
        self.now += self.lax_s
        self.lax_s = 1.0  # what was compiled is found again
        return self.told


@pytest.fixture
def machine(monkeypatch):
    machine = Machine()
    monkeypatch.setattr(evals.strictness, "time", machine)
    monkeypatch.setattr(evals.strictness, "subprocess", machine)
    return machine


def judged_by(machine, monkeypatch):
    """Have every judge take 10 s for the problem, 20 s to judge and 40 s to confirm; who asked for one."""
    asked = []

    class Judge(FakeJudge):
        def baselines(self, notice=None):
            machine.now += 10.0
            return super().baselines(notice)

        def judge(self, candidate, notice=None):
            machine.now += 20.0
            return super().judge(candidate, notice)

        def confirm(self, candidate, notice=None):
            machine.now += 40.0
            return super().confirm(candidate, notice)

    @contextmanager
    def single_judge(problem, sandbox, settings, home):
        asked.append(SimpleNamespace(problem=problem.name, settings=settings, home=home))
        yield Judge(lambda source: accepted(1.2))

    monkeypatch.setattr(evals.strictness, "single_judge", single_judge)
    return asked


def test_every_way_of_judging_is_timed_apart(programs, machine, monkeypatch, tmp_path):
    asked, told = judged_by(machine, monkeypatch), []
    costs = measure_costs(programs, FakeSandbox(), tmp_path, SETTINGS, told.append)
    assert costs == told
    assert [cost.program for cost in costs] == [program.name for program in programs]
    for cost in costs:
        # Of two lax runs the second counts: the first one compiles.
        assert (cost.lax_s, cost.problem_s, cost.judge_s, cost.confirm_s) == (1.0, 10.0, 20.0, 40.0)
        assert (cost.judge.confirmed, cost.confirm.confirmed) == (False, True)
    about = SimpleNamespace(problem="softmax", settings=SETTINGS, home=tmp_path)
    assert asked == [about] * len(programs)


def test_the_lax_way_gets_the_problem_and_the_program_and_leaves_nothing(programs, machine, monkeypatch, tmp_path):
    judged_by(machine, monkeypatch)
    measure_costs(programs, FakeSandbox(), tmp_path, SETTINGS)
    problem = str(PROBLEMS / "softmax.py")
    wanted = [(problem, f"{program.name}.py", program.source) for program in programs for _ in range(2)]
    assert machine.argvs == wanted
    assert len(machine.folders) == len(programs)  # one program's two runs share what was compiled, and nobody else
    assert not any(folder.exists() for folder in machine.folders)


def test_a_program_that_fails_the_lax_way_is_named_with_the_end_of_what_it_said(programs, machine, tmp_path):
    machine.told = CompletedProcess([], 1, "", "x" * 5000 + "\nValueError: wrong\n")
    with pytest.raises(
        SuiteError, match=rf"^{programs[0].name} fails in the lax harness: x+\nValueError: wrong$"
    ) as told:
        lax_seconds(programs[0], tmp_path)
    assert len(str(told.value)) < 400


def test_the_table_says_where_the_time_went_or_why_there_was_none():
    judged = accepted(1.5).model_copy(update={"stage_seconds": {"screen": 0.01, "compile": 2.0, "time": 5.04}})
    confirmed = judged.model_copy(update={"confirmed": True})
    good = Cost("good", 4.0, 11.0, judged, 10.0, confirmed, 19.0)
    bad = Cost("bad", 2.0, 11.0, rejected("wrong_output", "far off"), 1.0, rejected("wrong_output"), 1.0)
    head, rule, *rows = as_lines([good, bad]).splitlines()
    assert head.count("|") == rule.count("|") == 8
    assert rows == [
        "| good | 4.0 | 11.0 | 10.0 | 2.50 | compile 2.0, time 5.0 | 19.0 |",
        "| bad | 2.0 | 11.0 | 1.0 | 0.50 | far off | 1.0 |",
    ]
