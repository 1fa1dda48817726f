"""A plan with a scripted judge: order, budgets, failures, and what is left after a stop."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ModelUnavailable
from agent.events import read_events
from agent.plans.events import MAX_ATTEMPTS
from agent.plans.folder import PlanFolder, create_plan_folder, find_plan
from agent.plans.outcome import read_outcome
from agent.plans.reading import read_plan
from agent.plans.running import run_plan
from agent.run import Seams
from agent.stopping import StopFlag
from tools.errors import RequestError
from tools.fake_judge import FakeJudge

NOW = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)
PROBLEM = "class Model: ...\ndef get_inputs(): ...\n"


@pytest.fixture
def make(tmp_path: Path, home: Path):
    """A plan folder of a plan file's text; the problems a, b and c are there."""
    for name in "abc":
        (tmp_path / f"{name}.py").write_text(PROBLEM)

    def make(text: str) -> PlanFolder:
        path = tmp_path / "night.toml"
        path.write_text(text)
        return create_plan_folder(read_plan(path, NOW, environ={"KERNELWRIGHT_MAX_CANDIDATES": "3"}), home)

    return make


def operators(*names: str, more: str = "") -> str:
    return "".join(f'[[operator]]\nproblem = "{name}.py"\n{more}\n' for name in names)


def seams(toy, **changes: Any) -> Seams:
    time = [0.0]

    def sleep(seconds: float) -> None:
        time[0] += seconds

    facts = {"judge": FakeJudge(toy.follow), "propose": toy.climb, "model": object(), "clock": lambda: time[0]}
    return Seams(**{**facts, "sleep": sleep, "wall": lambda: NOW.timestamp() + time[0], **changes})


def order(folder: PlanFolder, *types: str) -> list[str]:
    return [event.data["entry"] for event in read_events(folder.events) if event.type in (types or ("entry_started",))]


def test_a_plan_runs_every_operator_and_leaves_a_report_in_three_forms(toy, make) -> None:
    folder = make(operators("a", "b", "c"))
    outcome = run_plan(folder, seams=seams(toy))
    assert (outcome.status, outcome.exit_code) == ("complete", 0)
    assert {row.status for row in outcome.entries} == {"improved"}
    told = json.loads((folder.path / "report.json").read_text())
    assert [row["speedup"] for row in told["entries"]] == [row.speedup for row in outcome.entries]
    page, text = (folder.path / "report.html").read_text(), (folder.path / "report.md").read_text()
    for row in outcome.entries:
        assert (folder.path / f"{row.run}/report.html").is_file()
        assert f'href="{row.run}/report.html"' in page
        assert f"| [{row.name}]({row.run}/report.md) |" in text
        assert f"{row.speedup:.3f}x" in page
    assert "http" not in page.replace("http-equiv", "")


def test_priority_then_deadline_then_place_decide_who_comes_first(toy, make) -> None:
    text = operators("a") + operators("b", more='deadline = "07:00"') + operators("c", more="priority = 5")
    folder = make(text)
    run_plan(folder, seams=seams(toy))
    assert order(folder) == ["c", "b", "a"]


def test_what_is_shared_is_not_overspent_and_what_is_left_over_goes_to_the_others(toy, make) -> None:
    folder = make("[budget]\ncandidates = 9\ntokens = 100000\n" + operators("a", "b", "c"))
    given: list = []
    outcome = run_plan(folder, seams=seams(toy), told=[given.append])
    limits = [event.data["limits"] for event in given if event.type == "entry_started"]
    assert [one["candidates"] for one in limits] == [3, 3, 3]
    assert outcome.candidates == 9
    folder = make("[budget]\ncandidates = 9\n[settings]\ntarget_speedup = 1.0\n" + operators("a", "b", "c"))
    given.clear()
    outcome = run_plan(folder, seams=seams(toy), told=[given.append])
    limits = [event.data["limits"] for event in given if event.type == "entry_started"]
    used = [row.candidates for row in outcome.entries]
    assert [one["candidates"] for one in limits] == [3, (9 - used[0]) // 2, 9 - used[0] - used[1]]
    assert limits[2]["candidates"] > 3, "the first ones stopped early"
    assert outcome.candidates <= 9


def test_an_operator_with_a_budget_of_its_own_gets_that_and_no_share(toy, make) -> None:
    given: list = []
    text = "[budget]\ncandidates = 8\n" + operators("a", "b") + operators("c", more="budget = {candidates = 2}")
    run_plan(make(text), seams=seams(toy), told=[given.append])
    limits = {event.data["entry"]: event.data["limits"] for event in given if event.type == "entry_started"}
    assert {name: one["candidates"] for name, one in limits.items()} == {"a": 3, "b": 3, "c": 2}


def test_a_budget_that_is_used_up_skips_the_rest_and_the_plan_is_complete(toy, make) -> None:
    text = "[budget]\ncandidates = 3\n" + operators("a", more="budget = {candidates = 3}") + operators("b")
    outcome = run_plan(make(text), seams=seams(toy))
    assert [(row.name, row.status) for row in outcome.entries] == [("a", "improved"), ("b", "skipped")]
    assert outcome.entries[1].message == "no run began: candidates"
    assert outcome.status == "complete"


def test_the_deadline_ends_the_plan_with_what_was_found(toy, make) -> None:
    clock = seams(toy)

    def follow(source: str):
        clock.sleep(3600)
        return toy.follow(source)

    folder = make('deadline = "30min"\n' + operators("a", "b"))
    outcome = run_plan(folder, seams=Seams(**{**vars(clock), "judge": FakeJudge(follow, confirmations=toy.follow)}))
    assert outcome.status == "complete"
    first, second = outcome.entries
    assert (first.status, first.candidates, second.status) == ("improved", 1, "skipped")


def test_what_is_wrong_with_one_operator_is_told_and_the_others_go_on(toy, make) -> None:
    def refuse(task, *, problem, **rest):
        if problem.name == "b":
            raise RequestError("the key is wrong")
        return toy.climb(task, problem=problem, **rest)

    outcome = run_plan(make(operators("a", "b", "c")), seams=seams(toy, propose=refuse))
    assert [row.status for row in outcome.entries] == ["improved", "refused", "improved"]
    assert outcome.entries[1].message == "the key is wrong"
    assert outcome.exit_code == 2
    assert "the key is wrong" in (Path(outcome.plan_dir) / "report.html").read_text()


def test_what_fails_is_tried_again_after_the_others_and_not_for_ever(toy, make) -> None:
    fails = {"a": 1, "b": 99}

    def propose(task, *, problem, **rest):
        if fails.get(problem.name, 0) > 0:
            fails[problem.name] -= 1
            raise ModelUnavailable("the server is gone")
        return toy.climb(task, problem=problem, **rest)

    folder = make("[settings]\nslots = 1\n" + operators("a", "b", "c"))
    outcome = run_plan(folder, seams=seams(toy, propose=propose))
    assert [row.status for row in outcome.entries] == ["improved", "failed", "improved"]
    assert order(folder, "entry_started", "entry_resumed") == ["a", "b", "c", "a", "b", "b"]
    assert order(folder, "entry_ended").count("b") == MAX_ATTEMPTS
    assert outcome.exit_code == 3


def test_a_plan_that_was_stopped_goes_on_where_it_was(toy, make, home: Path) -> None:
    folder, stop = make(operators("a", "b")), StopFlag()
    judged: list[str] = []

    def ask(event) -> None:
        if event.type == "judged":
            judged.append(event.data["candidate"])
            if len(judged) == 2:
                stop.request("SIGTERM")

    judge = FakeJudge(toy.follow)
    outcome = run_plan(folder, seams=seams(toy, judge=judge, stop=stop), subscribers=[ask])
    assert (outcome.status, outcome.exit_code) == ("interrupted", 130)
    assert read_outcome(folder).entries[0].status == "interrupted"
    found = find_plan(outcome.plan_id[:18], home)
    assert found is not None
    again = run_plan(found, seams=seams(toy, judge=judge))
    assert again.status == "complete"
    # Both problems are the same toy: each candidate is judged once in each run.
    assert len(judge.judged) == sum(row.candidates for row in again.entries)
    before = folder.events.read_bytes()
    assert run_plan(folder, seams=seams(toy)) == again, "a plan that has ended is not run again"
    assert folder.events.read_bytes() == before


def test_a_process_that_ends_again_and_again_at_one_operator_is_not_begun_for_ever(toy, make) -> None:
    folder = make(operators("a", "b"))

    class Crash(Exception):
        pass

    def propose(task, *, problem, **rest):
        if problem.name == "a":
            raise Crash
        return toy.climb(task, problem=problem, **rest)

    crashes = 0
    while crashes < 50:
        try:
            outcome = run_plan(folder, seams=seams(toy, propose=propose))
            break
        except Crash:
            crashes += 1
    assert crashes < 50
    assert [row.status for row in outcome.entries] == ["failed", "improved"]
    assert "the process ended" in outcome.entries[0].message


def test_a_run_that_is_stopped_by_itself_is_passed_over(toy, make) -> None:
    from agent.control import ask

    folder = make(operators("a", "b"))
    said: list[object] = []

    def stop(event) -> None:
        if event.type == "judged" and not said:
            said.append(ask(folder.run("a"), "stop"))

    outcome = run_plan(folder, seams=seams(toy), subscribers=[stop])
    assert [row.status for row in outcome.entries] == ["interrupted", "improved"]
    assert outcome.entries[0].message == "stopped by a request"
    assert outcome.status == "complete"


def test_a_plan_that_is_paused_waits_and_its_time_stands_still(toy, make) -> None:
    from agent.control import ask

    folder = make(operators("a", "b"))
    facts = seams(toy)
    now = facts.clock

    def sleep(seconds: float) -> None:
        facts.sleep(seconds)
        if now() > 1000:
            ask(folder.path, "go_on")

    def pause(event) -> None:
        if event.type == "entry_ended" and event.data["entry"] == "a":
            ask(folder.path, "pause")

    outcome = run_plan(folder, seams=Seams(**{**vars(facts), "sleep": sleep}), told=[pause])
    assert outcome.status == "complete"
    assert now() > 1000
    assert read_events(folder.events)[-1].elapsed_s < 1000
    assert [event.data["what"] for event in read_events(folder.events) if event.type == "waiting"] == ["pause"]


def test_a_model_that_answered_before_is_waited_for_and_one_that_never_did_is_not(toy, make) -> None:
    text = '[settings]\nmodel = "openai:x"\nslots = 1\n' + operators("a", "b")
    folder = make(text)
    settings: dict[str, Any] = {}

    def climb(task, **rest):
        rest["emit"]("model_call", model="openai:x", tokens_in=1, tokens_out=1, cost_usd=0.0)
        return toy.proposal(150 + task.round)

    def look(event) -> None:
        if event.type == "run_started":
            settings[event.data["problem"]] = event.data["settings"]["max_outage_seconds"]

    run_plan(folder, seams=seams(toy, propose=climb), subscribers=[look])
    assert settings == {"a": None, "b": 4 * 3600}
