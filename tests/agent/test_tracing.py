"""The event log as spans: the tree, the times, what is sent and what is not."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.events import Event
from agent.settings import AgentSettings
from agent.tracing import Spans, open_tracing, starter
from tools.errors import RequestError

MS = 1_000_000


@dataclass
class FakeSpan:
    """What of OpenTelemetry's span is used; anything else is an AttributeError."""

    name: str
    parent: FakeSpan | None
    began: int
    attributes: dict[str, Any]
    ended: list[int] = field(default_factory=list)

    def set_attribute(self, key: str, value: Any) -> None:
        assert not self.ended, "a span takes nothing once it has ended"
        self.attributes[key] = value

    def end(self, end_time: int | None = None) -> None:
        assert not self.ended, "a span ends once"
        self.ended.append(end_time)


def story() -> list[Event]:
    verdict = {"status": "accepted", "reason": None, "stage_seconds": {"compile": 1.0, "time": 2.0}}
    call = {"round": 1, "slot": 0, "step": 1, "seconds": 0.5}
    told = [
        (0, "run_started", {"run_id": "r", "problem": "softmax", "target": "cpu", "settings": {"api": "none"}}),
        (1, "described", {}),
        (3, "baselines_measured", {}),
        (4, "round_started", {"round": 1}),
        (5, "model_call", {**call, "model": "m", "tokens_in": 7, "cost_usd": None}),
        (6, "tool_call", {**call, "name": "submit", "ok": True}),
        (7, "judging", {"candidate": "a"}),
        (11, "judged", {"candidate": "a", "seconds": 4.0, "verdict": verdict, "source_artifact": "text"}),
        (12, "round_ended", {}),
        (13, "confirming", {"candidate": "a"}),
        (16, "confirmed", {"candidate": "a", "verdict": verdict}),
        (17, "run_finished", {"status": "improved"}),
    ]
    return [
        Event(number, f"2026-01-31T12:00:{second:02}.000Z", float(second), type_, data)
        for number, (second, type_, data) in enumerate(told)
    ]


def tell(spans: Spans) -> None:
    for event in story():
        spans(event)
    spans.close()
    spans.close()


@pytest.fixture
def made():
    made: list[FakeSpan] = []

    def start(name, parent, began, attributes):
        made.append(FakeSpan(name, parent, began, dict(attributes)))
        return made[-1]

    tell(Spans(start))
    return made


def test_the_tree_and_the_times_are_those_of_the_log(made):
    begin = made[0].began
    told = [
        (span.name, span.parent and span.parent.name, (span.began - begin) // MS, (span.ended[0] - begin) // MS)
        for span in made
    ]
    assert told == [
        ("run", None, 0, 17000),
        ("describe", "run", 0, 1000),
        ("baselines", "run", 1000, 3000),
        ("round 1", "run", 4000, 12000),
        ("model call", "round 1", 4500, 5000),
        ("tool call", "round 1", 5500, 6000),
        ("judge", "round 1", 7000, 11000),
        ("compile", "judge", 7000, 8000),
        ("time", "judge", 8000, 10000),
        ("confirm", "run", 13000, 16000),
        ("compile", "confirm", 13000, 14000),
        ("time", "confirm", 14000, 16000),
    ]


def test_what_is_sent_names_no_source_and_no_setting(made):
    by_name = {span.name: span.attributes for span in made}
    assert by_name["run"] == {
        "kernelwright.run_id": "r", "kernelwright.problem": "softmax", "kernelwright.target": "cpu",
        "kernelwright.status": "improved",
    }  # fmt: skip
    assert by_name["model call"]["kernelwright.tokens_in"] == 7
    assert by_name["judge"] == {"kernelwright.candidate": "a", "kernelwright.name": "accepted"}


def test_the_sdk_takes_them():
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = trace.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tell(Spans(starter(provider.get_tracer("test"))))
    done = exporter.get_finished_spans()
    assert len(done) == 12
    names = {span.context.span_id: span.name for span in done}
    parents = {span.name: span.parent and names[span.parent.span_id] for span in done}
    assert (parents["run"], parents["round 1"], parents["judge"]) == (None, "run", "round 1")
    assert len({span.context.trace_id for span in done}) == 1


def test_a_missing_package_and_a_wrong_address_are_one_line(monkeypatch, tmp_path):
    with ExitStack() as stack:
        assert open_tracing(AgentSettings(home=tmp_path), stack) is None
        settings = AgentSettings(home=tmp_path, trace_endpoint="http://127.0.0.1:4318/v1/traces")
        monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
        with pytest.raises(RequestError, match=r"kernelwright\[otel\]"):
            open_tracing(settings, stack)
        with pytest.raises(RequestError, match="is no URL"):
            open_tracing(AgentSettings(home=tmp_path, trace_endpoint="localhost"), stack)


def test_a_run_is_watched_and_its_spans_end_with_it(monkeypatch, tmp_path):
    import agent.run
    from agent.run import Seams, optimize
    from agent.scripted import ScriptedChatModel, ScriptedProposal, ScriptedReply, replay
    from tools.fake_judge import FakeJudge, accepted
    from tools.problem import Problem

    calls = (
        {"name": "write_candidate", "args": {"source": "class ModelNew: ...\n"}},
        {"name": "compile_candidate"},
        {"name": "submit", "args": {"strategy": "by hand"}},
    )
    replies = tuple(ScriptedReply.model_validate({"tool_calls": [call]}) for call in calls)
    seams = Seams(
        judge=FakeJudge(lambda source: accepted(1.5)),
        model=ScriptedChatModel(script=replay([ScriptedProposal(replies=replies)])),
    )
    made: list[FakeSpan] = []

    def fake(settings, stack):
        def start(name, parent, began, attributes):
            made.append(FakeSpan(name, parent, began, dict(attributes)))
            return made[-1]

        spans = Spans(start)
        stack.callback(spans.close)
        return spans

    monkeypatch.setattr(agent.run, "open_tracing", fake)
    settings = AgentSettings(home=tmp_path, memory=False, max_candidates=1, slots=1)
    optimize(Problem("toy", "class Model: ...\n"), settings, seams=seams)
    names = [span.name for span in made]
    assert names[0] == "run"
    assert (names.count("model call"), names.count("tool call"), names.count("judge")) == (3, 3, 1)
    assert {"describe", "baselines", "confirm", "reflect"} <= set(names)
    assert all(len(span.ended) == 1 and span.ended[0] >= span.began for span in made)
