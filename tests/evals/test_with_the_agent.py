"""An evaluation around the agent's own loop; only the model and the judge are scripted."""

from __future__ import annotations

from functools import partial

import pytest

from agent.proposing import Proposal
from agent.run import Seams
from agent.settings import AgentSettings
from agent.stopping import StopFlag
from evals.rejudging import SecondOpinion
from evals.results import Host
from evals.runner import optimize_or_resume, run_suite
from evals.suite import Suite, SuiteProblem
from tools.candidate import Candidate
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.problem import Problem

SPEEDUPS = {"fast": 2.0, "slow": 0.8}


def verdict_of(source: str):
    name = source.split()[-1]
    return accepted(SPEEDUPS[name]) if name in SPEEDUPS else rejected("wrong_output")


def propose(task, *, problem, **_):
    candidate = Candidate(source=f"class ModelNew: at = {task.round}, {task.slot}  # {problem.name}")
    return Proposal(
        candidate=candidate,
        strategy="as scripted",
        refusal=None,
        needs_language_model=False,
        tokens=0,
        cost_usd=0.0,
        model_calls=1,
        tool_calls=0,
        transcript=(),
    )


class SecondJudge:
    def __init__(self):
        self.judged: list[str] = []

    def __call__(self, problem, candidate, settings, notice):
        self.judged.append(candidate.source)
        host = Host(cpu="a processor of no kind", threads=2, torch_version="0")
        return SecondOpinion(verdict_of(candidate.source), host)


@pytest.fixture
def suite():
    problems = tuple(SuiteProblem(Problem(name, "class Model: ..."), "toy") for name in ("fast", "slow", "wrong"))
    return Suite("toys", "Toys.", "cpu", problems)


@pytest.fixture
def settings():
    # The scripted judge describes every problem alike: memory would take one for the other.
    return AgentSettings(max_candidates=2, slots=1, memory=False)


def seams(stop: StopFlag | None = None) -> Seams:
    judge = FakeJudge(verdict_of)
    return Seams(judge=judge, propose=propose, model=object(), stop=stop or StopFlag())


def optimizer(stop: StopFlag | None = None):
    """A new judge for every problem, as the agent would open one."""

    def run(problem, settings, subscribers):
        return optimize_or_resume(problem, settings, subscribers, seams=seams(stop))

    return run


def test_outcomes_of_the_agent_are_scored(tmp_path, suite, settings):
    second = SecondJudge()
    report = run_suite(suite, settings, tmp_path, optimizer=optimizer(), second=second)
    assert [result.status for result in report.results] == ["improved", "no_improvement", "no_improvement"]
    assert report.exit_code == 0
    assert (report.scores["agent"].accepted, report.scores["agent"].improved, report.scores["agent"].agreeing) == (
        2,
        1,
        1,
    )
    assert report.scores["agent"].geometric_mean == pytest.approx(2.0 ** (1 / 3))
    # The very text that was judged in the run is judged again: best.py is the candidate, byte for byte.
    assert Candidate(source=second.judged[0]).id == report.results[0].first.candidate


def test_an_interrupted_run_is_resumed_where_it_was(tmp_path, suite, settings):
    stop = StopFlag()
    judged: list[str] = []

    def watch(event):
        if event.type == "judged":
            judged.append(event.data["candidate"])
            stop.request("test")

    report = run_suite(suite, settings, tmp_path, optimizer=optimizer(stop), second=SecondJudge(), subscribers=[watch])
    assert (report.status, report.exit_code, report.results) == ("interrupted", 130, ())
    assert len(judged) == 1
    watch_on = partial(_note, judged)
    report = run_suite(suite, settings, tmp_path, optimizer=optimizer(), second=SecondJudge(), subscribers=[watch_on])
    assert report.status == "complete"
    assert report.results[0].outcome["candidates"] == 2
    assert len(judged) == len(set(judged)) == 6


def _note(judged, event):
    if event.type == "judged":
        judged.append(event.data["candidate"])


def test_a_finished_run_whose_result_was_lost_is_not_run_again(tmp_path, suite, settings):
    before = run_suite(suite, settings, tmp_path, optimizer=optimizer(), second=SecondJudge())
    for path in (tmp_path / "results" / "agent-1").iterdir():
        path.unlink()
    judged: list[str] = []
    after = run_suite(
        suite,
        settings,
        tmp_path,
        optimizer=optimizer(),
        second=SecondJudge(),
        subscribers=[partial(_note, judged)],
    )
    assert judged == []
    assert after.scores == before.scores
