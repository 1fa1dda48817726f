"""A model asked once, and independent samples until enough tokens are spent; a profiler that is taken away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.answering import answer_once
from agent.events import read_events
from agent.model import ModelSettings, make_model
from agent.prompts import single_prompt, system_prompt
from agent.proposing import ProposalTask
from agent.run import Seams, optimize
from tools.artifacts import ArtifactStore
from tools.errors import RequestError
from tools.fake_judge import FakeJudge, describe_softmax
from tools.problem import Problem
from tools.toolbox import make_tools
from tools.workbench import Workbench

ONCE = {"asking": "once", "memory": False, "tune_trials": 0, "slots": 1, "drafts": 100, "stall": 100}


def reply(value: int | None, tokens: int = 100) -> dict:
    text = "I would rather not." if value is None else f"```python\nclass ModelNew:\n    value = {value}\n```"
    return {"content": f"Here it is.\n\n{text}\n", "usage": {"input_tokens": tokens - 10, "output_tokens": 10}}


@pytest.fixture
def play(toy, home, tmp_path):
    """Run with one reply for each round; the outcome, its events and the judge."""

    def run(*values: int | None, **changes):
        script = tmp_path / "script.json"
        entries = [{"round": number, "replies": [reply(value)]} for number, value in enumerate(values)]
        script.write_text(json.dumps({"proposals": entries}))
        judge = FakeJudge(toy.follow)
        settings = toy.settings(home, model=f"scripted:{script}", **{**ONCE, "max_candidates": 100, **changes})
        outcome = optimize(toy.PROBLEM, settings, seams=Seams(judge=judge))
        return outcome, read_events(Path(outcome.run_dir) / "events.jsonl"), judge

    return run


def test_once_is_one_call_without_tools_and_the_file_as_it_stands(play):
    outcome, events, _ = play(150, enough_tokens=1, max_candidates=1)
    assert (outcome.status, outcome.candidates, outcome.tokens) == ("improved", 1, 100)
    proposed = next(event.data for event in events if event.type == "proposed")
    assert (proposed["model_calls"], proposed["tool_calls"], proposed["tools"]) == (1, 0, None)
    assert Path(outcome.best["path"]).read_text() == "class ModelNew:\n    value = 150\n"


def test_a_reply_without_a_file_is_a_refusal_and_nothing_more_is_asked(play):
    outcome, events, judge = play(None, enough_tokens=1, max_candidates=1)
    assert (outcome.status, outcome.stop_reason, judge.judged) == ("no_improvement", "enough_tokens", [])
    assert "no Python code block" in outcome.message
    assert sum(event.type == "model_call" for event in events) == 1


def test_samples_go_on_until_the_tokens_are_spent_however_many_come_to_nothing(play):
    outcome, events, _ = play(110, None, None, None, None, 190, 120, enough_tokens=550)
    assert (outcome.stop_reason, outcome.tokens, outcome.candidates) == ("enough_tokens", 600, 2)
    assert outcome.best["speedup"] == 1.9
    assert {kind for event in events if event.type == "round_started" for kind in event.data["kinds"]} == {"draft"}


def test_a_sample_sees_nothing_of_those_before_it(play, toy):
    _, events, _ = play(110, 190, enough_tokens=200)
    folder = next(event.data for event in events if event.type == "run_finished")["run_dir"]
    texts = (Path(folder) / "transcript.jsonl").read_text().splitlines()
    assert len(texts) >= 2
    assert not any("value = 110" in line and "value = 190" in line for line in texts)
    assert not any(toy.id_of(110) in line and "sample 2" in line for line in texts)


def test_the_builtin_model_cannot_be_asked_once(toy, home):
    with pytest.raises(RequestError, match="for language models"):
        optimize(toy.PROBLEM, toy.settings(home, **ONCE), seams=Seams(judge=FakeJudge(toy.follow)))


def test_the_single_prompt_has_the_constraints_and_no_tools():
    text = single_prompt("cpu", "cpp")
    assert "# Rules of a candidate file" in text
    assert "submit" not in text.split("# Your answer")[1]
    shared = system_prompt("cpu", "cpp", 3).split("# How to work")[0]
    assert text.split("# Your answer")[0].splitlines()[2:6] == shared.splitlines()[2:6]


def test_without_a_profiler_there_is_no_such_tool_and_no_word_of_it():
    bench = Workbench(None, None, None, None, {}, "cpp", "")
    names = {tool.name for tool in make_tools(bench)}
    assert names - {tool.name for tool in make_tools(bench, profiled=False)} == {"profile_candidate"}
    assert "profile_candidate" in system_prompt("cpu", "cpp", 3)
    assert "profile_candidate" not in system_prompt("cpu", "cpp", 3, profiled=False)


@pytest.mark.enable_socket
@pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
def test_a_server_is_asked_without_tools(web, tmp_path, streaming):
    """Not with an empty list of them, which servers refuse; and what is asked has no word of other attempts."""
    text = "```python\nclass ModelNew:\n    value = 150\n```"
    with web.OpenAIServer([web.Chat(content=text)]) as server:
        model = make_model(
            ModelSettings(name="openai:m", base_url=server.url, api_key="sk-secret-0123456789", streaming=streaming)
        )
        proposal = answer_once(
            ProposalTask(0, 0, 1, None, (), (), {"eager": 1e-3}, "cpu", "cpp", 0, number=0, knowledge=("a",)),
            model=model,
            judge=FakeJudge(lambda source: None),
            problem=Problem("softmax", "class Model: ..."),
            description=describe_softmax(),
            store=ArtifactStore(tmp_path),
            memory=None,
            max_steps=8,
            emit=lambda kind, **data: None,
        )
        (asked,) = server.requests
    assert "tools" not in asked
    assert [message["role"] for message in asked["messages"]] == ["system", "user"]
    assert proposal.candidate.source == "class ModelNew:\n    value = 150\n"
    assert proposal.model_calls == 1
