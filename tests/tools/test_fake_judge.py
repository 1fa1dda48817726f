from __future__ import annotations

import pytest

from tools.candidate import Candidate
from tools.fake_judge import FakeJudge, UnscriptedCandidate, accepted, rejected
from tools.judge import Judge

GOOD, BAD, BROKEN = (Candidate(source=text) for text in ("good", "bad", "broken"))


@pytest.fixture
def judge() -> FakeJudge:
    script = {"good": accepted(2.0), "bad": rejected("wrong_output", "off"), "broken": rejected("compile_error", "no")}
    return FakeJudge(script)


def test_it_is_a_judge(judge: FakeJudge) -> None:
    contract: Judge = judge
    assert contract.describe().operator_signature
    assert set(contract.baselines()) == {"eager", "compile"}
    contract.close()
    assert judge.closed


def test_verdicts_follow_the_source_and_carry_the_candidate(judge: FakeJudge) -> None:
    said: list[str] = []
    verdict = judge.judge(GOOD, said.append)
    assert (verdict.status, verdict.speedup, verdict.candidate) == ("accepted", 2.0, GOOD.id)
    assert judge.judge(BAD).reason == "wrong_output"
    assert judge.judged == [GOOD.id, BAD.id]
    assert said == ["judging"]


def test_stages_agree_with_the_verdict(judge: FakeJudge) -> None:
    assert judge.compile(GOOD).ok
    assert judge.compile(BAD).ok
    assert not judge.compile(BROKEN).ok
    assert judge.check(GOOD).passed
    assert judge.check(BAD).reason == "wrong_output"
    assert judge.judged == []


def test_a_confirmation_may_differ(judge: FakeJudge) -> None:
    assert judge.confirm(GOOD).confirmed is True
    doubtful = FakeJudge({"good": accepted(2.0)}, confirmations={"good": rejected("wrong_output.unseen_shape")})
    assert doubtful.judge(GOOD).status == "accepted"
    assert doubtful.confirm(GOOD).reason == "wrong_output.unseen_shape"
    assert doubtful.confirmed == [GOOD.id]


def test_what_was_not_foreseen_is_an_error(judge: FakeJudge) -> None:
    for ask in (judge.judge, judge.confirm, judge.compile, judge.check):
        with pytest.raises(UnscriptedCandidate, match="no verdict"):
            ask(Candidate(source="unheard of"))
