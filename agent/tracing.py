"""The event log as OpenTelemetry spans: run -> step -> model call, tool call, judgement with its stages.

A subscriber like every other view: it decides nothing, and what it cannot send is lost, not the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from agent.events import Event
from agent.settings import AgentSettings
from tools.errors import RequestError

EXPORT_TIMEOUT_S = 5
"""A collector that is gone must not hold up the end of a run."""
_STEPS = {
    "described": "describe",
    "baselines_measured": "baselines",
    "recalled": "recall",
    "tuned": "tune",
    "reflected": "reflect",
    "confirmed": "confirm",
}
"""Event that ends a step of the graph to its name; it began with the event that begins it, or with the one before."""
_BEGINNINGS = {"confirming": "confirmed", "tuning": "tuned"}
_ATTRIBUTES = ("round", "slot", "step", "model", "name", "ok", "finish", "tokens_in", "tokens_out", "cost_usd")


class Span(Protocol):
    """The part of OpenTelemetry's span that is used."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Text, number or truth value."""

    def end(self, end_time: int | None = None) -> None:
        """Nanoseconds since 1970."""


Start = Callable[[str, Span | None, int, Mapping[str, Any]], Span]
"""Name, parent, beginning in nanoseconds since 1970, attributes."""


class Spans:
    """Turns events into spans. Its memory is of the run's open spans only."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._run: Span | None = None
        self._round: Span | None = None
        self._last_ns = 0
        self._begun: dict[str, int] = {}
        """What is under way, to when it began."""

    def __call__(self, event: Event) -> None:
        """Called with every event, in order."""
        now = _ns(event)
        data = event.data
        if self._run is None:
            about = {f"kernelwright.{key}": data[key] for key in ("run_id", "problem", "target") if key in data}
            self._run = self._start("run", None, now, about)
        if event.type == "round_started":
            self._end_round(now)
            self._round = self._start(f"round {data['round']}", self._run, now, {})
        elif event.type in ("model_call", "tool_call"):
            self._span(event.type.replace("_", " "), self._parent, now - _nanoseconds(data["seconds"]), now, data)
        elif event.type == "judging":
            self._begun[data["candidate"]] = now
        elif event.type == "judged":
            self._judged("judge", self._begun.pop(data["candidate"], now - _nanoseconds(data["seconds"])), now, data)
        elif event.type in _BEGINNINGS:
            self._begun[_BEGINNINGS[event.type]] = now
        elif event.type in _STEPS:
            began = self._begun.pop(event.type, self._last_ns)
            if event.type == "confirmed":
                self._judged("confirm", began, now, data)
            else:
                self._span(_STEPS[event.type], self._parent, began, now, data)
        elif event.type in ("round_ended", "search_ended"):
            self._end_round(now)
        elif event.type in ("run_finished", "interrupted"):
            self._run.set_attribute("kernelwright.status", data.get("status", "interrupted"))
        self._last_ns = now

    def close(self) -> None:
        """End what is open; idempotent."""
        self._end_round(self._last_ns)
        if self._run is not None:
            self._run.end(self._last_ns)
            self._run = None

    @property
    def _parent(self) -> Span | None:
        return self._round or self._run

    def _end_round(self, now: int) -> None:
        if self._round is not None:
            self._round.end(now)
            self._round = None

    def _span(self, name: str, parent: Span | None, began: int, ended: int, data: Mapping[str, Any]) -> Span:
        known = {f"kernelwright.{key}": data[key] for key in (*_ATTRIBUTES, "candidate") if data.get(key) is not None}
        span = self._start(name, parent, began, known)
        span.end(ended)
        return span

    def _judged(self, name: str, began: int, ended: int, data: Mapping[str, Any]) -> None:
        """The judgement, and its stages one after the other: the log has how long each took, not when."""
        verdict = data["verdict"]
        span = self._span(name, self._parent, began, ended, {**data, **_said(verdict)})
        for stage, seconds in verdict["stage_seconds"].items():
            until = min(began + _nanoseconds(seconds), ended)
            self._span(stage, span, began, until, {})
            began = until


def _said(verdict: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": verdict["reason"] or verdict["status"]}


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)


def _ns(event: Event) -> int:
    return int(datetime.fromisoformat(event.time).timestamp() * 1000) * 1_000_000


def starter(tracer: Any) -> Start:
    """How an OpenTelemetry tracer begins a span."""
    from opentelemetry.trace import set_span_in_context

    def start(name: str, parent: Span | None, began: int, attributes: Mapping[str, Any]) -> Span:
        context = None if parent is None else set_span_in_context(parent)  # type: ignore[arg-type, unused-ignore]
        span: Span = tracer.start_span(name, context=context, start_time=began, attributes=dict(attributes))
        return span

    return start


def open_tracing(settings: AgentSettings, stack: ExitStack) -> Spans | None:
    """A subscriber that sends spans where ``trace_endpoint`` says, None where it says nothing.

    What is left is sent when ``stack`` closes. Raises RequestError where the packages are missing.
    """
    endpoint = settings.trace_endpoint
    if endpoint is None:
        return None
    if urlsplit(endpoint).scheme not in ("http", "https"):
        raise RequestError(f"--trace-endpoint {endpoint} is no URL: such as http://127.0.0.1:4318/v1/traces")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise RequestError(
            f"--trace-endpoint needs OpenTelemetry ({error.name} is missing): pip install 'kernelwright[otel]'"
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": "kernelwright"}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    stack.callback(provider.shutdown)
    spans = Spans(starter(provider.get_tracer("kernelwright")))
    stack.callback(spans.close)
    return spans
