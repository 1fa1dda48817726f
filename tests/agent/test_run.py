"""Whole runs with a scripted judge and an injected proposer: what they leave, what they judge, what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.run import Outcome, Seams, optimize
from tests.agent.toy_runs import events_of, listed, run
from tools.errors import RequestError
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.problem import Problem
from tools.verdict import Verdict


def test_an_improvement_leaves_everything_behind(toy, home: Path) -> None:
    judge = FakeJudge(toy.follow)
    outcome = run(toy, home, judge, listed([110, 130, 150, 170], toy), max_candidates=4)

    assert (outcome.status, outcome.exit_code) == ("improved", 0)
    assert (outcome.candidates, outcome.accepted, outcome.candidates_to_best) == (4, 4, 4)
    assert outcome.stop_reason == "max_candidates"
    assert (outcome.tokens, outcome.cost_usd) == (40, pytest.approx(0.04))
    folder = Path(outcome.run_dir)
    assert folder.parent == home / "runs"
    assert outcome.best is not None
    assert outcome.best["candidate"] == toy.id_of(170)
    assert outcome.best["confirmed"] is True
    assert Path(outcome.best["path"]).read_text() == toy.source_of(170)
    verdict = json.loads((folder / "verdict.json").read_text())
    assert Verdict.from_json(verdict).speedup == 1.7
    assert "1.70x" in outcome.message
    report = (folder / "report.md").read_text()
    for fact in (toy.id_of(170), "1.700x", "a processor of no kind", "compile", "How to reproduce"):
        assert fact in report
    lines = [json.loads(line) for line in (folder / "transcript.jsonl").read_text().splitlines()]
    assert [(line["round"], line["slot"]) for line in lines] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert not (folder / "work").exists()
    assert judge.closed is False, "what was put in is not closed"


def test_the_outcome_is_the_last_event_and_plain_json(toy, home: Path) -> None:
    outcome = run(toy, home, FakeJudge(toy.follow), listed([150], toy), max_candidates=1)
    last = events_of(outcome, "run_finished")
    assert len(last) == 1
    assert last[0].data == json.loads(json.dumps(outcome.to_json()))
    assert outcome.to_json()["schema"] == "kernelwright.run/1"
    assert Outcome.from_json(outcome.to_json()) == outcome


def test_without_anything_faster_there_is_no_best(toy, home: Path) -> None:
    script = {toy.source_of(1): accepted(0.9), toy.source_of(2): rejected("compile_error")}
    judge = FakeJudge(script)
    outcome = run(toy, home, judge, listed([1, 2], toy), max_candidates=2)
    assert (outcome.status, outcome.exit_code, outcome.best) == ("no_improvement", 1, None)
    assert "0.90x" in outcome.message
    assert judge.confirmed == []
    assert not (Path(outcome.run_dir) / "best.py").exists()
    assert "no improvement" in (Path(outcome.run_dir) / "report.md").read_text()


def test_an_ambiguous_champion_is_judged_again(toy, home: Path) -> None:
    unclear = accepted(1.015).model_copy(update={"faster": None})
    judge = FakeJudge({toy.source_of(1): unclear}, confirmations={toy.source_of(1): accepted(1.03, spread=0.001)})
    outcome = run(toy, home, judge, listed([1], toy), max_candidates=1)
    assert outcome.status == "improved"
    assert outcome.best is not None
    assert outcome.best["speedup"] == 1.03, "the number reported is the confirmed one"


def test_what_does_not_hold_makes_room_for_the_next_best(toy, home: Path) -> None:
    def again(source: str) -> Verdict:
        value = toy.value_of(source)
        return {170: rejected("wrong_output.unseen_shape"), 150: accepted(1.0)}.get(value, accepted(1.25))

    judge = FakeJudge(toy.follow, confirmations=again)
    outcome = run(toy, home, judge, listed([130, 150, 170], toy), max_candidates=3)
    assert judge.confirmed == [toy.id_of(170), toy.id_of(150), toy.id_of(130)]
    assert outcome.best is not None
    assert (outcome.best["candidate"], outcome.best["speedup"]) == (toy.id_of(130), 1.25)
    assert outcome.candidates_to_best == 1


def test_three_that_do_not_hold_are_enough(toy, home: Path) -> None:
    judge = FakeJudge(toy.follow, confirmations=lambda _: accepted(1.0))
    outcome = run(toy, home, judge, listed([130, 150, 170, 190], toy), max_candidates=4)
    assert len(judge.confirmed) == 3
    assert outcome.status == "no_improvement"
    assert "judged again" in outcome.message


def test_a_little_faster_is_not_a_new_champion(toy, home: Path) -> None:
    script = {toy.source_of(1): accepted(1.5), toy.source_of(2): accepted(1.51), toy.source_of(3): accepted(1.52)}
    outcome = run(toy, home, FakeJudge(script), listed([1, 2, 3], toy), max_candidates=3)
    champions = [event.data["candidate"] for event in events_of(outcome, "champion")]
    assert champions == [toy.id_of(1), toy.id_of(3)]


def test_the_same_candidate_is_judged_once(toy, home: Path) -> None:
    judge = FakeJudge(toy.follow)
    outcome = run(toy, home, judge, listed([150, 150, 150, 170, 170, 190], toy))
    assert judge.judged == [toy.id_of(150), toy.id_of(170), toy.id_of(190)]
    assert outcome.candidates == 3


def test_proposals_of_a_round_see_the_same_and_run_at_once(toy, home: Path) -> None:
    import threading

    together = threading.Barrier(3, timeout=30)
    seen = []

    def propose(task, **_):
        together.wait()
        seen.append((task.round, task.slot, task.slots, len(task.visible), task.parent and task.parent.candidate))
        return toy.proposal(101 + 10 * task.round + task.slot)

    run(toy, home, FakeJudge(lambda _: accepted(1.5)), propose, slots=3, max_candidates=6)
    assert sorted(seen)[:3] == [(0, slot, 3, 0, None) for slot in range(3)]
    assert sorted(seen)[3:] == [(1, slot, 3, 3, toy.id_of(101)) for slot in range(3)]


def test_the_model_sees_verdicts_and_lessons(toy, home: Path) -> None:
    tasks = []

    def propose(task, **_):
        tasks.append(task)
        return toy.proposal([100, 150, 170, 190][task.round * 2 + task.slot])

    run(toy, home, FakeJudge(toy.follow), propose, max_candidates=4)
    last = next(task for task in tasks if (task.round, task.slot) == (1, 0))
    wrong, right = last.visible
    assert (wrong.status, wrong.reason, wrong.speedup) == ("rejected", "wrong_output", None)
    assert "off by one" in wrong.lesson
    assert (right.status, right.speedup, right.strategy) == ("accepted", 1.5, "value 150")
    assert last.parent == right
    assert last.baselines == pytest.approx({"eager": 2e-3, "compile": 1.5e-3})


@pytest.mark.parametrize("policy", ["greedy", "mcts", "evolution"])
def test_a_search_climbs_under_every_policy(toy, home: Path, policy: str) -> None:
    outcome = run(toy, home, FakeJudge(toy.follow), toy.climb, policy=policy, slots=3, max_candidates=15)
    assert outcome.best is not None
    assert outcome.best["speedup"] > 1.4
    parents = {event.data["parent"] for event in events_of(outcome, "judged")}
    assert len(parents) >= 3


# Before anything begins.


def test_requests_that_cannot_be_met(toy, home: Path) -> None:
    judge = FakeJudge({})
    for changes, fault in (
        ({"policy": "random"}, "greedy, mcts"),
        ({"language": "fortran"}, "no judge for fortran on cpu"),
        ({"target": "rocm:gfx942"}, "--target cpu"),
        ({"model": "openai:x", "max_cost": 1.0}, "--price-in"),
    ):
        with pytest.raises(RequestError, match=fault):
            run(toy, home, judge, listed([], toy), **changes)
    with pytest.raises(RequestError, match="unknown model"):
        optimize(toy.PROBLEM, toy.settings(home, model="gpt"), seams=Seams(judge=judge))
    assert not (home / "runs").exists()


def test_a_problem_keeps_its_text(toy, home: Path) -> None:
    problem = Problem("näme", "class Model: 'ü'\n")
    seams = Seams(judge=FakeJudge(toy.follow), propose=listed([150], toy), model=object())
    outcome = optimize(problem, toy.settings(home, max_candidates=1), seams=seams)
    assert (Path(outcome.run_dir) / "problem.py").read_text(encoding="utf-8") == problem.source
    assert outcome.problem == "näme"


# A program is judged once.


def rewritten(value: int, comment: str) -> Any:
    from tools.candidate import Candidate

    return Candidate(source=f"class ModelNew:\n    value = {value}  # {comment}\n")


def test_the_same_program_in_other_words_is_judged_once_and_the_model_is_told(toy, home: Path) -> None:
    tasks = []

    def propose(task: Any, **_: Any) -> Any:
        tasks.append(task)
        value = [150, 150, 150, 170, 190, 210][task.round * 2 + task.slot]
        return toy.proposal(value, candidate=rewritten(value, f"{task.round}/{task.slot}"))

    judge = FakeJudge(toy.follow)
    outcome = run(toy, home, judge, propose, max_candidates=4)
    first = rewritten(150, "0/0").id
    assert len(judge.judged) == outcome.candidates == 4
    recognised = events_of(outcome, "recognised")
    assert [(event.data["round"], event.data["slot"], event.data["same_as"]) for event in recognised] == [
        (0, 1, first),
        (1, 0, first),
    ]
    assert not {event.data["candidate"] for event in recognised} & set(judge.judged)
    last = next(task for task in tasks if (task.round, task.slot) == (2, 1))
    assert last.parent.candidate == rewritten(170, "1/1").id
    told = [task for task in tasks if task.round == 1]
    assert all(task.repeats == () for task in told), "what came from nothing is no repeat of the parent's"
    assert outcome.best is not None
    assert outcome.best["candidate"] == rewritten(210, "2/1").id


def test_repeats_from_the_same_parent_are_told(toy, home: Path) -> None:
    tasks = []

    def propose(task: Any, **_: Any) -> Any:
        tasks.append(task)
        value = [150, None, 150, 140, 190, 120][task.round * 2 + task.slot]
        return toy.proposal(value, candidate=None if value is None else rewritten(value, f"r{task.round}"))

    outcome = run(toy, home, FakeJudge(toy.follow), propose, max_candidates=3)
    (repeat,) = next(task for task in tasks if task.round == 2).repeats
    assert repeat.reason == f"same as {rewritten(150, 'r0').id}"
    assert (repeat.speedup, repeat.status, repeat.parent) == (1.5, "accepted", rewritten(150, "r0").id)
    assert outcome.candidates == 3


# Drafts and restarts.


def test_drafts_and_restarts_see_nothing_and_have_numbers_of_their_own(toy, home: Path) -> None:
    tasks = []

    def propose(task: Any, **_: Any) -> Any:
        tasks.append(task)
        return toy.proposal(301 - 2 * (task.round * 2 + task.slot))

    outcome = run(toy, home, FakeJudge(toy.follow), propose, max_candidates=10, drafts=3, restart_after=4)
    alone = [task for task in tasks if task.number is not None]
    assert {(task.round, task.slot) for task in alone[:3]} == {(0, 0), (0, 1), (1, 0)}
    assert len(alone) > 3, "nothing is better than the first, so a slot begins anew"
    for task in alone:
        assert (task.parent, task.visible, task.recalled, task.repeats) == (None, (), (), ())
    assert len({task.number for task in alone}) == len(alone)
    started = events_of(outcome, "round_started")
    assert [event.data["kinds"] for event in started[:2]] == [["draft", "draft"], ["draft", ""]]
    assert any("restart" in event.data["kinds"] for event in started)
    kept = {event.data["kind"] for event in events_of(outcome, "judged")}
    assert kept == {"draft", "restart", ""}
