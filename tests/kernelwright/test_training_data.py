"""``export --format`` and ``show --replay`` on a run folder that a scripted model and judge filled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.run import Seams, optimize
from agent.scripted import ScriptedChatModel, ScriptedProposal, ScriptedReply, replay
from agent.settings import AgentSettings
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.problem import Problem

FAST, WRONG = "class ModelNew:\n    value = 1\n", "class ModelNew:\n    value = 2\n"


def writes(slot: int, source: str) -> ScriptedProposal:
    calls = (
        {"name": "write_candidate", "args": {"source": source}},
        {"name": "compile_candidate"},
        {"name": "submit", "args": {"strategy": "by hand"}},
    )
    replies = tuple(ScriptedReply.model_validate({"tool_calls": [call]}) for call in calls)
    return ScriptedProposal(slot=slot, replies=replies)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    judge = FakeJudge({FAST: accepted(2.0), WRONG: rejected("wrong_output")})
    model = ScriptedChatModel(script=replay([writes(0, FAST), writes(1, WRONG)]))
    settings = AgentSettings(home=tmp_path / "home", out=tmp_path / "run", memory=False, max_candidates=2)
    outcome = optimize(Problem("toy", "class Model: ...\n"), settings, seams=Seams(judge=judge, model=model))
    return Path(outcome.run_dir)


@pytest.mark.parametrize("form", ["sft", "preferences", "groups"])
def test_each_form_as_lines_as_a_file_and_as_an_object(command, folder, tmp_path, form):
    lines = command("export", folder, "--format", form)
    assert lines.code == 0
    (row,) = map(json.loads, lines.out.splitlines())
    assert row["schema"] == f"kernelwright.{form}/1"
    told = command("export", folder, "--format", form, "--json").json
    assert (told["schema"], told["format"], told["count"], told["rows"]) == (
        "kernelwright.training-data/1", form, 1, [row],
    )  # fmt: skip
    target = tmp_path / "rows.jsonl"
    target.write_text("old")
    assert command("export", folder, folder, "--format", form, "--out", target).out == f"1 row written to {target}\n"
    assert target.read_text() == lines.out
    written = command("export", folder, "--format", form, "--out", target, "--json").json
    assert (written["path"], written["count"], "rows" in written) == (str(target), 1, False)


def test_the_rejected_ones_on_request(command, folder):
    told = command("export", folder, "--format", "sft", "--with-rejected", "--json").json["rows"]
    assert [row["metadata"]["verdict"] for row in told] == ["accepted", "rejected"]


def test_nothing_to_export_is_exit_code_1(command, folder, tmp_path):
    log = folder / "events.jsonl"
    log.write_text(log.read_text().splitlines(keepends=True)[0])
    answer = command("export", folder, "--format", "groups")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == "kernelwright: nothing to export as groups\n"
    assert command("export", folder, "--format", "groups", "--json").json["rows"] == []


def test_options_that_do_not_go_together(command, folder, tmp_path):
    assert "--format" in command("export", folder, "--out", tmp_path / "x").is_one_line(2)
    assert "--out" in command("export", folder, "--format", "sft", "--to", tmp_path / "x").is_one_line(2)
    assert "sft" in command("export", folder, "--format", "groups", "--with-cheats").is_one_line(2)
    assert "one run at a time" in command("export", folder, folder).is_one_line(2)
    assert "--format" in command("export", folder, "--format", "parquet").is_one_line(2)
    nowhere = tmp_path / "no" / "rows.jsonl"
    assert "another path with --out" in command("export", folder, "--format", "sft", "--out", nowhere).is_one_line(2)


def test_a_run_told_again(command, folder):
    answer = command("show", folder, "--replay")
    assert (answer.code, answer.out) == (0, (folder / "report.md").read_text())
    assert "it is what the run left" in answer.err
    told = command("show", folder, "--replay", "--json").json
    assert (told["schema"], told["differing"]) == ("kernelwright.replay/1", [])
    assert told["report"] == (folder / "report.md").read_text()
    assert told["outcome"]["best"]["speedup"] == 2.0
    assert [node["status"] for node in told["tree"]] == ["accepted", "rejected"]
    assert told["progress"]["champion"] == told["outcome"]["best"]["candidate"]


def test_a_run_that_left_something_else_than_its_log_says(command, folder):
    (folder / "verdict.json").write_text("{}")
    answer = command("show", folder, "--replay")
    assert answer.code == 1
    assert "verdict.json differ" in answer.err


def test_a_run_that_has_not_ended_is_told_as_far_as_it_came(command, folder):
    log = folder / "events.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    answer = command("show", folder, "--replay")
    assert answer.code == 0
    assert "has not come to its end" in answer.err
