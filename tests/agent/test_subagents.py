"""The graphs diagnose and research in whole runs: by rule, by a model, and when the model is of no use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolCall

from agent.errors import ModelRejected, ModelUnavailable
from agent.events import read_events
from agent.run import Outcome, Seams, optimize, resume
from agent.scripted import ScriptedChatModel
from agent.subagents.diagnose import build_diagnose
from agent.subagents.research import build_research
from memory.conformance import make_experience
from memory.errors import StoreError
from memory.in_memory import InMemoryStore
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.profiling.diagnosis import Diagnosis as Profile


def verdicts(source: str):
    value = int(source.split("value = ")[1].split()[0])
    if value % 4 == 0:
        return rejected("compile_error", "x was not declared").model_copy(update={"log": "kernel.cpp:3: error: x"})
    return accepted(value / 100).model_copy(update={"roofline_fraction": 0.8})


def answers(data: Any, seen: list[str] | None = None):
    """A model that answers every question of a sub-agent with the same arguments."""

    def script(messages):
        if seen is not None:
            seen.append(messages[-1].text)
        if isinstance(data, Exception):
            raise data
        if isinstance(data, str):
            return AIMessage(content=data)
        return AIMessage(content="", tool_calls=[ToolCall(name="answer", args=data, id="a", type="tool_call")])

    return ScriptedChatModel(script=script)


class Run:
    """A short run with what the proposer was told, and its events."""

    def __init__(self, toy, home: Path, values, chat=None, memory=None, script=verdicts, profile=None, **settings):
        self.tasks: list[Any] = []

        def propose(task, *, emit, **_):
            self.tasks.append(task)
            emit("model_call", tokens_in=6, tokens_out=4, cost_usd=0.0)
            return toy.proposal(next(values, None), profile=profile)

        values = iter(values)
        self.judge = FakeJudge(script)
        seams = Seams(judge=self.judge, propose=propose, model=chat or object(), memory=memory)
        facts = {"slots": 1, "model": "scripted:x", "max_candidates": 3, "memory": memory is not None, **settings}
        self.outcome: Outcome = optimize(toy.PROBLEM, toy.settings(home, **facts), seams=seams)
        self.events = read_events(Path(self.outcome.run_dir) / "events.jsonl")

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event.data for event in self.events if event.type == kind]

    def asked(self) -> list[dict[str, Any]]:
        """Calls that no proposal made."""
        return [one for one in self.of("model_call") if "role" in one]


GOOD = {"bottleneck": "occupancy", "evidence": "few\nwarps", "lesson": "tiles of 64 rows left\nhalf of it idle",
        "words": "register pressure", "more": "is ignored"}  # fmt: skip


def test_by_rule_without_a_model(toy, home):
    run = Run(toy, home, [110, 120, 130])
    assert [(one["bottleneck"], one["author"]) for one in run.of("reflected")] == [
        ("memory", "rule"), ("compile", "rule"), ("memory", "rule"),
    ]  # fmt: skip
    first, second, third = run.of("researched")[:3]
    assert (first["diagnosis"], first["question"]["phase"]) == ("", "draft")
    assert first["question"]["operators"] == ["softmax"]
    assert "guidance/softmax-and-norms" in first["knowledge"][:3]
    assert second["question"]["bottlenecks"] == ["memory"]
    assert second["diagnosis"].startswith(f"{toy.id_of(110)} bottleneck=memory (rule): ")
    assert third["question"]["bottlenecks"] == ["memory", "compile"]
    assert third["question"]["phase"] == "repair"
    assert f"{toy.id_of(120)} bottleneck=compile" in third["diagnosis"]
    assert "guidance/debug-compile" in third["knowledge"][:2]
    assert [task.diagnosis for task in run.tasks[:3]] == [one["diagnosis"] for one in run.of("researched")[:3]]
    assert list(run.tasks[2].knowledge) == third["knowledge"]
    assert run.asked() == []


def test_a_model_writes_the_lesson_where_the_settings_allow_it(toy, home):
    seen: list[str] = []
    run = Run(toy, home, [110, 120], answers(GOOD, seen), analysis="model")
    told = run.of("reflected")
    assert [(one["bottleneck"], one["author"]) for one in told] == [("occupancy", "model")] * 2
    assert told[0]["lesson"] == "tiles of 64 rows left half of it idle"
    assert run.tasks[1].visible[0].lesson == told[0]["lesson"]
    assert run.of("researched")[1]["author"] == "model"
    assert run.of("researched")[1]["question"]["text"] == "register pressure"
    assert "hardware/nvidia/occupancy" not in run.of("researched")[1]["knowledge"], "this is a CPU"
    assert {one["role"] for one in run.asked()} == {"diagnosis", "research"}
    assert "value = 120" in seen[2], "the source is shown"
    assert "kernel.cpp:3: error: x" in seen[2], "and the log"
    tokens = sum(one["tokens_in"] + one["tokens_out"] for one in run.of("model_call"))
    assert run.outcome.tokens == tokens


@pytest.mark.parametrize(
    "answer",
    [
        ModelUnavailable("gone"), ModelRejected("no such model"), "", "I think it is slow.", "{not json}", {},
        {"bottleneck": "spells", "evidence": "x", "lesson": "y"},
        {"bottleneck": "memory", "evidence": "", "lesson": "y"},
        "{" * 3000,
    ],
)  # fmt: skip
def test_the_rule_stands_whatever_the_model_does(toy, home, answer):
    plain = Run(toy, home / "plain", [110, 120, 130])
    run = Run(toy, home / "model", [110, 120, 130], answers(answer), analysis="model")
    assert run.of("reflected") == plain.of("reflected")
    assert run.of("researched") == plain.of("researched")
    assert run.outcome.status == plain.outcome.status == "improved"
    assert any("by rule" in one["text"] for one in run.of("notice"))


def test_an_object_in_the_text_is_an_answer_too(toy, home):
    run = Run(toy, home, [110], answers(f"Here it is:\n```json\n{json.dumps(GOOD)}\n```"), analysis="model")
    assert run.of("reflected")[0]["author"] == "model"


def test_questions_keep_to_their_budget(toy, home):
    def talkative(source):
        return verdicts(source).model_copy(update={"log": "error: x\n" * 50_000})

    for tokens in (2_000, 8_000):
        seen: list[str] = []
        run = Run(
            toy,
            home / str(tokens),
            [120],
            answers(GOOD, seen),
            script=talkative,
            analysis="model",
            analysis_tokens=tokens,
        )
        assert seen
        assert run.judge.judged
        assert max(map(len, seen)) <= 3 * tokens


def test_no_question_is_asked_that_the_runs_budget_does_not_hold(toy, home):
    run = Run(toy, home, [110, 120], answers(GOOD), analysis="model", max_tokens=4_000)
    assert run.asked() == []
    assert {one["author"] for one in run.of("reflected")} == {"rule"}


def test_the_builtin_model_is_never_asked(toy, home):
    run = Run(toy, home, [110], answers(AssertionError("asked")), analysis="model", model="builtin")
    assert run.of("reflected")[0]["author"] == "rule"


def test_what_is_known_is_not_found_out_again(toy, home):
    """A run whose log ends after the research is resumed: neither graph asks a second time for what is written."""
    seen: list[str] = []
    stopped = Run(toy, home, [110, 120], answers(GOOD, seen), analysis="model")
    events = Path(stopped.outcome.run_dir) / "events.jsonl"
    lines = events.read_text().splitlines(keepends=True)
    cut = next(n for n, line in enumerate(lines) if '"researched"' in line and json.loads(line)["data"]["round"] == 1)
    events.write_text("".join(lines[: cut + 1]))
    for file in Path(stopped.outcome.run_dir).glob("checkpoints*"):
        file.unlink()
    asked = len(seen)
    values = iter([110, 120])
    kept = [json.loads(line)["data"] for line in lines[: cut + 1]]
    seams = Seams(
        judge=FakeJudge(verdicts), propose=lambda task, **_: toy.proposal(next(values, None)), model=answers(GOOD, seen)
    )
    outcome = resume(Path(stopped.outcome.run_dir), seams=seams)
    again = read_events(events)
    assert [event.data for event in again[: len(kept)]] == kept
    places = [(one.data["round"], one.data["slot"]) for one in again if one.type == "researched"]
    assert len(places) == len(set(places))
    lessons = [one.data["candidate"] for one in again if one.type == "reflected"]
    assert len(lessons) == len(set(lessons))
    assert outcome.status == "improved"
    anew = seen[asked:]
    assert [text for text in anew if f"candidate={toy.id_of(110)} " in text] == []
    assert len([text for text in anew if f"candidate={toy.id_of(120)} " in text]) == 1
    later = [place for place in places if place[0] > 1]
    assert len([text for text in anew if text.startswith("What should be looked up")]) == len(later)


def test_memory_is_asked_what_the_diagnosis_suggests(toy, home):
    """A failure of another operator is not recalled at the beginning; after the same failure it is looked up."""
    other = {
        "operator_signature": "scan", "operators": ("aten.cumsum",), "status": "rejected", "reason": "compile_error",
        "speedup": None, "lesson": "compile_error: it does not build (x was not declared)", "strategy": "carries",
    }  # fmt: skip
    memory = InMemoryStore([make_experience(number, **other) for number in range(4)])
    memory.add(make_experience(8, **{**other, "language": "triton"}))
    memory.add(make_experience(9, **{**other, "lesson": "wrong_output: the numbers are wrong"}))
    run = Run(toy, home, [110, 120, 130], memory=memory)
    first, _, third = run.of("researched")[:3]
    assert run.of("recalled")[0]["attempts"] == []
    assert first["remembered"] == []
    assert [one["lesson"] for one in third["remembered"]] == [f"text. {other['lesson']}"] * 2
    assert [one.candidate for one in run.tasks[2].recalled] == [one["candidate"] for one in third["remembered"]]


def test_memory_shows_nothing_twice(toy, home):
    memory = InMemoryStore()
    Run(toy, home / "first", [104], memory=memory)
    run = Run(toy, home / "second", [110, 120, 130], memory=memory)
    assert toy.id_of(104) in [one["candidate"] for one in run.of("recalled")[0]["attempts"]]
    assert run.of("researched")[2]["question"]["phase"] == "repair"
    assert [one["remembered"] for one in run.of("researched")[:3]] == [[], [], []]


def test_a_memory_that_cannot_be_searched_is_a_warning(toy, home):
    class Broken(InMemoryStore):
        def search(self, text, limit=10):
            raise StoreError("the file is gone")

    run = Run(toy, home, [110, 130], memory=Broken())
    assert any("nothing remembered: the file is gone" in one["text"] for one in run.of("warning"))
    assert run.outcome.status == "improved"


@pytest.mark.parametrize("lost", [False, True])
def test_a_profile_that_was_asked_for_is_read(toy, home, lost):
    """It lies in the store; one that is gone is as good as none."""

    def forgetful(source):
        if lost:
            for file in (home / "run" / "artifacts").rglob("*"):
                if file.is_file() and b'"profiler"' in file.read_bytes():
                    file.unlink()
        return verdicts(source)

    profile = Profile(profiler="ncu", bound="latency")
    run = Run(toy, home, [110], script=forgetful, out=home / "run", profile=profile)
    assert run.of("reflected")[0]["bottleneck"] == ("memory" if lost else "latency")
    assert run.of("proposed")[0]["profile"]


def test_the_graphs_have_the_parts_they_are_drawn_with():
    assert set(build_diagnose().nodes) == {"assess", "explain", "conclude"}
    assert set(build_research().nodes) == {"ask", "refine", "look_up"}
