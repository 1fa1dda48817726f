"""``run``, ``watch``, ``pause``, ``go-on``, ``stop``, ``finish`` and ``report`` on a plan, with a scripted engine."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import agent.plans.running
from agent.control import CONTROL
from agent.events import EventLog
from agent.plans.folder import create_plan_folder, list_plans
from agent.plans.reading import read_plan
from agent.proposing import Proposal
from agent.run import Seams
from agent.stopping import StopFlag
from tests.agent.toy_search import proposal, value_of
from tools.fake_judge import FakeJudge, accepted

PLAN = (
    '[settings]\nslots = 1\n[budget]\ncandidates = 2\n[[operator]]\nproblem = "a.py"\n[[operator]]\nproblem = "b.py"\n'
)


@pytest.fixture
def plan(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(f"class Model: ...\ndef get_inputs(): ...\n# {name}\n")
    (tmp_path / "night.toml").write_text(PLAN)
    return tmp_path / "night.toml"


def propose(task, **_) -> Proposal:
    return proposal(150 + task.round)


@pytest.fixture
def engine(monkeypatch):
    """Put a scripted judge into the plans that the commands run; what is called with each judged source is given."""
    real = agent.plans.running.run_plan

    def put_in(judged=lambda source: None) -> None:
        def follow(source: str):
            judged(source)
            return accepted(value_of(source) / 100)

        def run(folder, **named):
            seams = Seams(judge=FakeJudge(follow), propose=propose, model=object(), stop=StopFlag())
            return real(folder, seams=seams, **named)

        monkeypatch.setattr(agent.plans.running, "run_plan", functools.wraps(real)(run))

    return put_in


def test_a_plan_is_run_told_and_not_run_again(command, plan: Path, engine, tmp_path: Path) -> None:
    engine()
    answer = command("run", plan)
    assert answer.code == 0, answer.err
    assert re.search(r"^a +cpu +improved +1\.50x", answer.out, re.MULTILINE)
    for line in ("[1/2] a: begins, at most 1 candidates", "[2/2] b: improved", "complete: 2 improved", "report.html"):
        assert line in answer.err
    again = command("run", plan, "--json")
    assert (again.code, again.json["schema"]) == (0, "kernelwright.plan_outcome/1")
    assert len(list_plans(tmp_path / "home")) == 1, "the same file is the same plan"
    assert command("resume", again.json["plan_id"], "--json").json == again.json
    assert command("watch", again.json["plan_id"], "--json").json == again.json
    assert len({info["run_id"] for info in command("runs", "--json").json["runs"]}) == 2


def test_a_plan_is_begun_anew_when_asked_to(command, plan: Path, engine, tmp_path: Path) -> None:
    engine()
    first = command("run", plan, "--json").json
    second = command("run", plan, "--new", "--json").json
    assert first["plan_id"] != second["plan_id"]
    plan.write_text(PLAN + "priority = 3\n")
    third = command("run", plan, "--json").json
    assert third["plan_id"] not in (first["plan_id"], second["plan_id"]), "a plan that has ended is in nobody's way"


def test_plans_are_listed_beneath_the_runs(command, plan: Path, engine, tmp_path: Path) -> None:
    engine()
    assert "no runs yet" in command("runs").out
    first = command("run", plan, "--json").json
    (info,) = command("runs", "--json").json["plans"]
    assert info == {
        "plan_id": first["plan_id"], "path": first["plan_dir"], "name": "night", "started_at": first["began"],
        "status": "complete", "operators": 2, "done": 2, "ended": {"improved": 2}, "deadline": None,
    }  # fmt: skip
    second = create_plan_folder(read_plan(plan, datetime.now(UTC)), tmp_path / "home")
    damaged = tmp_path / "home/plans/19990101-000000-dddddd"
    damaged.mkdir()
    (damaged / "plan.json").write_text("{}")
    told = command("runs")
    _, runs, plans = re.split(r"^(?:run|plan) +started.*\n-.*\n", told.out, flags=re.MULTILINE)
    assert runs.count(" improved ") == 2
    assert "night" not in runs
    lines = plans.splitlines()
    assert [line.split()[0] for line in lines] == [second.path.name, first["plan_id"], damaged.name]
    assert re.search(r"interrupted +0 of 2 +night$", lines[0])
    assert re.search(r"complete +2 of 2 +2 improved +night$", lines[1])
    assert re.search(r"dddddd +damaged$", lines[2])


def test_a_file_that_was_changed_under_its_plan_is_asked_about(command, plan: Path, engine, tmp_path: Path) -> None:
    engine()
    folder = create_plan_folder(read_plan(plan, datetime.now(UTC)), tmp_path / "home")
    plan.write_text(PLAN + "priority = 3\n")
    line = command("run", plan).is_one_line(2)
    assert f"kernelwright run {folder.path.name} goes on with that" in line
    assert "--new begins this one" in line
    assert command("run", folder.path.name).code == 0


def test_the_report_of_a_plan_in_its_three_forms(command, plan: Path, engine) -> None:
    engine()
    name = command("run", plan, "--json").json["plan_id"]
    assert command("report", name).out.startswith("# night: complete")
    assert command("report", name, "--format", "html").out.startswith("<!DOCTYPE html>")
    assert command("report", name, "--format", "json").json["plan_id"] == name
    assert set(command("report", name, "--format", "html", "--json").json) == {"schema", "path", "report"}


def test_what_is_asked_of_a_plan_reaches_it_and_its_run(command, plan: Path, engine, tmp_path: Path) -> None:
    said = []

    def stop(source: str) -> None:
        if not said:
            said.append(command("stop", list_plans(tmp_path / "home")[0].path.name))

    engine(stop)
    answer = command("run", plan, "--json")
    assert said[0].code == 0, said[0].err
    assert answer.code == 130
    assert [row["status"] for row in answer.json["entries"]] == ["interrupted", "waiting"]
    engine()
    assert command("run", plan).code == 0


def test_to_finish_a_plan_is_to_begin_no_other_operator(command, plan: Path, engine, tmp_path: Path) -> None:
    said = []

    def finish(source: str) -> None:
        if not said:
            said.append(command("finish", list_plans(tmp_path / "home")[0].path.name))

    engine(finish)
    answer = command("run", plan, "--json")
    assert [row["status"] for row in answer.json["entries"]] == ["improved", "skipped"]
    assert answer.json["status"] == "complete"


def test_nobody_is_spoken_to_where_nobody_works(command, plan: Path, engine) -> None:
    engine()
    answer = command("run", plan, "--json").json
    for word in ("pause", "go-on", "stop", "finish"):
        assert "nobody works on" in command(word, answer["plan_id"]).is_one_line(2)
        assert "nobody works on" in command(word, answer["entries"][0]["run_id"]).is_one_line(2)


def test_a_run_is_spoken_to(command, plan: Path, engine) -> None:
    engine()
    row = command("run", plan, "--json").json
    folder = Path(row["plan_dir"]) / row["entries"][0]["run"]
    log = EventLog(folder / "events.jsonl")  # as if it went on
    answer = command("pause", row["entries"][0]["run_id"], "--json")
    log.close()
    assert (answer.code, answer.json["kind"]) == (0, "pause")
    assert '"pause"' in (folder / CONTROL).read_text()


@pytest.mark.parametrize("words", [("run", "gone.toml"), ("run", "2026"), ("watch", "gone"), ("pause", "gone")])
def test_what_is_not_there(command, plan: Path, words) -> None:
    assert "gone" in command(*words).is_one_line(2) or "2026" in command(*words).is_one_line(2)
