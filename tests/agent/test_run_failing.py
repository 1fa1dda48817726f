"""What goes wrong in a run: whom it is held against, what remains of it, and whether it can be resumed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from agent.errors import ModelRejected, ModelUnavailable
from agent.run import Seams, list_runs, resume
from tests.agent.toy_runs import INFRASTRUCTURE, events_of, listed, run
from tools.errors import JudgeUnavailable, RequestError
from tools.fake_judge import FakeJudge, accepted


def test_a_judge_that_cannot_judge_is_not_held_against_the_candidate(toy, home: Path) -> None:
    answers = iter([INFRASTRUCTURE, accepted(1.5)])
    judge = FakeJudge(lambda _: next(answers), confirmations=lambda _: accepted(1.5))
    outcome = run(toy, home, judge, lambda task, **_: toy.proposal(150), slots=1, max_candidates=1)
    assert judge.judged == [toy.id_of(150)] * 2
    assert (outcome.status, outcome.candidates) == ("improved", 1)


def test_a_judge_that_never_judges_fails_the_run_which_can_be_resumed(toy, home: Path) -> None:
    broken = FakeJudge(lambda _: INFRASTRUCTURE)
    outcome = run(toy, home, broken, listed([110, 130, 150, 170], toy))
    assert (outcome.status, outcome.exit_code) == ("failed", 3)
    assert "3 times in a row: it broke" in outcome.message
    assert list_runs(home)[0]["status"] == "failed"
    mended = FakeJudge(toy.follow)
    seams = Seams(judge=mended, propose=listed([110, 130, 150, 170], toy), model=object())
    assert resume(Path(outcome.run_dir), seams=seams).status == "improved"


def test_an_unavailable_judge_fails_the_run(toy, home: Path) -> None:
    class Gone(FakeJudge):
        def baselines(self, notice=None):
            raise JudgeUnavailable("the sandbox\nwould not start")

    outcome = run(toy, home, Gone({}), listed([], toy))
    assert (outcome.status, outcome.message) == ("failed", "the sandbox would not start")


def test_a_champion_that_cannot_be_confirmed_is_confirmed_on_resuming(toy, home: Path) -> None:
    broken = FakeJudge(toy.follow, confirmations=lambda _: INFRASTRUCTURE)
    outcome = run(toy, home, broken, listed([150], toy), max_candidates=1)
    assert (outcome.status, outcome.best) == ("failed", None)
    assert len(broken.confirmed) == 2, "it is tried twice"
    mended = FakeJudge({}, confirmations=toy.follow)
    again = resume(Path(outcome.run_dir), seams=Seams(judge=mended, propose=listed([], toy), model=object()))
    assert again.status == "improved"
    assert mended.judged == []


def test_a_problem_that_cannot_be_used_leaves_no_trace(toy, home: Path, tmp_path: Path) -> None:
    class Choosy(FakeJudge):
        def describe(self):
            raise RequestError("get_inputs() raised ValueError: no")

    with pytest.raises(RequestError, match="get_inputs"):
        run(toy, home, Choosy({}), listed([], toy), out=tmp_path / "deep" / "out")
    assert not (tmp_path / "deep").exists()
    assert list_runs(home) == []


def test_a_wrong_key_leaves_no_trace(toy, home: Path) -> None:
    def propose(task, **_):
        raise ModelRejected("the server refuses the key: set OPENAI_API_KEY")

    with pytest.raises(RequestError, match="OPENAI_API_KEY"):
        run(toy, home, FakeJudge({}), propose)
    assert list_runs(home) == []
    assert not (home / "runs").exists()


def test_a_model_that_is_gone_at_once_fails_the_run_which_can_be_resumed(toy, home: Path) -> None:
    def propose(task, **_):
        raise ModelUnavailable("no answer from http://127.0.0.1:1/v1")

    outcome = run(toy, home, FakeJudge({}), propose)
    assert (outcome.status, outcome.exit_code) == ("failed", 3)
    assert "no answer" in outcome.message
    seams = Seams(judge=FakeJudge(toy.follow), propose=listed([150], toy), model=object())
    assert resume(Path(outcome.run_dir), seams=seams).status == "improved"


def test_a_model_that_is_lost_later_does_not_cost_the_champion(toy, home: Path) -> None:
    def propose(task, **_):
        if task.round:
            raise ModelUnavailable("no answer")
        return toy.proposal(150 + task.slot)

    outcome = run(toy, home, FakeJudge(toy.follow), propose)
    assert (outcome.status, outcome.stop_reason) == ("improved", "model_unavailable")
    assert events_of(outcome, "warning")


def test_a_disk_that_fills_up_fails_the_run_which_can_be_resumed(toy, home: Path) -> None:
    def propose(task, **_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a file")

    outcome = run(toy, home, FakeJudge({}), propose)
    assert (outcome.status, outcome.exit_code) == ("failed", 3)
    assert outcome.message == "the run cannot go on (No space left on device: a file): mend that, then resume it"
    seams = Seams(judge=FakeJudge(toy.follow), propose=listed([150], toy), model=object())
    assert resume(Path(outcome.run_dir), seams=seams).status == "improved"


def test_a_defect_is_not_dressed_up_but_the_state_is_kept(toy, home: Path) -> None:
    def propose(task, **_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(toy, home, FakeJudge({}), propose)
    (info,) = list_runs(home)
    seams = Seams(judge=FakeJudge(toy.follow), propose=listed([150], toy), model=object())
    assert resume(Path(info["path"]), seams=seams).status == "improved"


def test_a_candidate_nobody_foresaw_is_an_error(toy, home: Path) -> None:
    outcome = run(toy, home, FakeJudge({}), listed([150], toy))
    assert outcome.status == "failed"
    assert "no verdict was scripted" in outcome.message
