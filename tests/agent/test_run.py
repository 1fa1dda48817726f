"""Whole runs with a scripted judge and an injected proposer."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ModelRejected, ModelUnavailable
from agent.events import Event, read_events
from agent.run import Outcome, Seams, find_run, list_runs, optimize, resume
from agent.stopping import StopFlag
from tools.errors import JudgeUnavailable, RequestError
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.problem import Problem
from tools.verdict import Verdict

REPOSITORY = Path(__file__).resolve().parents[2]
INFRASTRUCTURE = Verdict(status="infrastructure_error", reason="infrastructure.sandbox", detail="it broke")


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def listed(values: list[int | None], toy: Any):
    """Proposes the values one after another, by round and slot; nothing more after the last."""

    def propose(task: Any, **_: Any) -> Any:
        index = task.round * 2 + task.slot
        return toy.proposal(values[index] if index < len(values) else None)

    return propose


def run(toy, home: Path, judge: FakeJudge, propose, subscribers=(), seams=None, **settings) -> Outcome:
    seams = {"judge": judge, "propose": propose, "model": object(), **(seams or {})}
    settings = {"memory": False, "max_candidates": 12, **settings}
    return optimize(toy.PROBLEM, toy.settings(home, **settings), subscribers=subscribers, seams=Seams(**seams))


def events_of(outcome: Outcome, *types: str) -> list[Event]:
    return [event for event in read_events(Path(outcome.run_dir) / "events.jsonl") if event.type in types]


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


# Why a run ends.


def test_the_last_round_is_cut_to_the_budget(toy, home: Path) -> None:
    outcome = run(toy, home, FakeJudge(toy.follow), listed([110, 130, 150, 170], toy), max_candidates=3)
    assert outcome.candidates == 3
    assert [event.data["slots"] for event in events_of(outcome, "round_started")] == [2, 1]


def test_stalling_ends_a_run(toy, home: Path) -> None:
    values = [150, 111, 113, 115, 117, 119, 121, 123]
    outcome = run(toy, home, FakeJudge(toy.follow), listed(values, toy), stall=4)
    assert (outcome.stop_reason, outcome.candidates) == ("stall", 6)
    assert outcome.status == "improved"


def test_reaching_the_target_ends_a_run(toy, home: Path) -> None:
    outcome = run(toy, home, FakeJudge(toy.follow), listed([150, 210, 230, 250], toy), target_speedup=2.0)
    assert (outcome.stop_reason, outcome.candidates) == ("target_speedup", 2)


def test_tokens_and_dollars_end_a_run(toy, home: Path) -> None:
    values = [110, 130, 150, 170, 190]
    judge = FakeJudge(toy.follow)
    assert run(toy, home, judge, listed(values, toy), max_tokens=40).stop_reason == "max_tokens"
    outcome = run(toy, home, judge, listed(values, toy), max_cost=0.02)
    assert (outcome.stop_reason, outcome.candidates) == ("max_cost", 2)


def test_no_judgement_begins_that_does_not_fit(toy, home: Path) -> None:
    clock = Clock()

    def script(source: str) -> Verdict:
        clock.now += 10.0
        return toy.follow(source)

    judge = FakeJudge(script, confirmations=toy.follow)
    values = [110, 130, 150, 170, 190, 210]
    outcome = run(toy, home, judge, listed(values, toy), seams={"clock": clock}, max_seconds=75.0)
    # After the second one 30 s are kept for confirming and 10 s are needed: at 40 s nothing more fits.
    assert (outcome.stop_reason, outcome.candidates, outcome.status) == ("max_seconds", 4, "improved")
    assert outcome.elapsed_s == 40.0


def test_time_that_was_up_before_the_first_candidate(toy, home: Path) -> None:
    clock = Clock()

    class Slow(FakeJudge):
        def baselines(self, notice=None):
            clock.now += 100.0
            return super().baselines(notice)

    outcome = run(toy, home, Slow({}), listed([], toy), seams={"clock": clock}, max_seconds=50.0)
    assert (outcome.status, outcome.stop_reason, outcome.candidates) == ("no_improvement", "max_seconds", 0)


def test_an_operator_beyond_the_builtin_model_ends_at_once(toy, home: Path) -> None:
    why = "this operator needs a language model: aten.fft"

    def propose(task, **_):
        return toy.proposal(None, refusal=why, needs_language_model=True)

    outcome = run(toy, home, FakeJudge({}), propose)
    assert (outcome.status, outcome.exit_code, outcome.message) == ("no_improvement", 1, why)
    assert outcome.stop_reason == "needs_language_model"
    assert len(events_of(outcome, "round_started")) == 1


def test_rounds_that_bring_nothing_end_a_run(toy, home: Path) -> None:
    outcome = run(toy, home, FakeJudge(toy.follow), listed([150, None, 150, 150], toy))
    assert (outcome.stop_reason, outcome.status, outcome.candidates) == ("exhausted", "improved", 1)
    assert len(events_of(outcome, "round_started")) == 4


# What goes wrong.


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


# Stopping.


def test_asking_to_stop_keeps_the_state(toy, home: Path) -> None:
    stop = StopFlag()

    def ask(event: Event) -> None:
        if event.type == "judged":
            stop.request("SIGTERM")

    judge = FakeJudge(toy.follow)
    outcome = run(toy, home, judge, listed([110, 130], toy), [ask], {"stop": stop}, max_candidates=2)
    assert (outcome.status, outcome.exit_code, outcome.candidates) == ("interrupted", 130, 1)
    assert outcome.run_id in outcome.message
    assert list_runs(home)[0]["status"] == "interrupted"
    rest = FakeJudge(toy.follow)
    again = resume(Path(outcome.run_dir), seams=Seams(judge=rest, propose=listed([], toy), model=object()))
    assert (again.status, again.candidates) == ("improved", 2)
    assert rest.judged == [toy.id_of(130)]


def test_a_conversation_is_left_between_its_steps(toy, home: Path) -> None:
    stop = StopFlag()
    steps = []

    def propose(task, *, emit, **_):
        for step in range(10):
            steps.append(step)
            emit("model_call", tokens_in=5, tokens_out=0, cost_usd=0.0)
            stop.request("SIGINT")
        raise AssertionError("it went on")

    outcome = run(toy, home, FakeJudge({}), propose, seams={"stop": stop}, slots=1)
    assert outcome.status == "interrupted"
    assert steps == [0, 1]
    assert outcome.tokens == 10, "what was spent is counted, though nothing came of it"


def test_ctrl_c_drains_and_restores_the_handlers(toy, home: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def interrupt(event: Event) -> None:
        if event.type == "judging":
            os.kill(os.getpid(), signal.SIGINT)

    outcome = run(toy, home, FakeJudge(toy.follow), listed([110, 130], toy), [interrupt])
    assert outcome.status == "interrupted"
    assert outcome.candidates == 1, "the judgement that was going on was finished"
    assert "SIGINT" in outcome.message
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_second_ctrl_c_ends_the_process_at_once(toy, home: Path, tmp_path: Path) -> None:
    program = tmp_path / "stubborn.py"
    program.write_text(
        "import os, signal, sys, threading\n"
        "from pathlib import Path\n"
        "import toy_search as toy\n"
        "from agent.run import Seams, optimize\n"
        "class Judge(toy.FakeJudge):\n"
        "    def judge(self, candidate, notice=None):\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        threading.Event().wait()\n"
        "    def close(self):\n"
        "        Path(sys.argv[1], 'closed').touch()\n"
        "home = Path(sys.argv[1], 'home')\n"
        "seams = Seams(judge=Judge(toy.follow), propose=toy.climb, model=object())\n"
        "optimize(toy.PROBLEM, toy.settings(home), seams=seams)\n"
    )
    paths = os.pathsep.join([str(REPOSITORY), str(Path(toy.__file__).parent)])
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 130, done.stderr
    assert (tmp_path / "closed").exists()
    info = list_runs(tmp_path / "home")[0]
    assert info["status"] == "interrupted"
    seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object())
    assert resume(find_run(info["run_id"], tmp_path / "home"), seams=seams).candidates == 4


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
