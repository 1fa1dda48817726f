"""Why a run ends by itself, and how it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from agent.events import Event
from agent.run import Seams, find_run, list_runs, resume
from agent.stopping import StopFlag
from tests.agent.toy_runs import Clock, events_of, listed, run
from tools.fake_judge import FakeJudge
from tools.verdict import Verdict

REPOSITORY = Path(__file__).resolve().parents[2]


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
