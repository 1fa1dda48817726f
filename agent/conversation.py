"""A proposal's conversation: what is sent again at every step, kept within a budget, and its transcript."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage

from agent import reasoning

BUDGET_CHARS = 120_000
"""Of everything after the first two messages; about 30,000 tokens."""
KEPT_CHARS = 400
"""What stays of a shortened text."""
RECENT = 4
"""This many newest messages are never shortened."""
_LEFT_OUT = "[... {} characters left out to save room; call the tool again if they matter]"


def within_budget(messages: Sequence[BaseMessage], budget: int = BUDGET_CHARS) -> list[BaseMessage]:
    """The messages to send: oldest tool answers, superseded files and long texts are cut until it fits.

    The system prompt, the task and the newest messages stay whole. Deterministic, and what was cut once stays
    cut, so that a server's prefix cache keeps working.
    """
    fitted = list(messages)
    excess = sum(_size(message) for message in fitted[2:]) - budget
    # A graph is asked for once and used throughout: it goes last.
    for graphs in (False, True):
        for index in range(2, len(fitted) - RECENT):
            if excess <= 0:
                return fitted
            if (fitted[index].name == "read_graph") is not graphs:
                continue
            short = _shortened(fitted[index])
            excess -= _size(fitted[index]) - _size(short)
            fitted[index] = short
    return [_talk_cut(message, budget // RECENT) for message in fitted] if excess > 0 else fitted


def transcript(messages: Sequence[BaseMessage]) -> tuple[dict[str, Any], ...]:
    """The messages as plain JSON, whole."""
    return tuple(_to_json(message) for message in messages)


def _size(message: BaseMessage) -> int:
    size = len(message.text) + len(reasoning.of(message))
    if isinstance(message, AIMessage):
        size += sum(len(str(value)) for call in message.tool_calls for value in call["args"].values())
    return size


def _shortened(message: BaseMessage) -> BaseMessage:
    if isinstance(message, AIMessage):
        calls = [
            ToolCall(
                name=call["name"],
                args={name: _cut(value) for name, value in call["args"].items()},
                id=call["id"],
                type="tool_call",
            )
            for call in message.tool_calls
        ]
        return AIMessage(content=_cut(message.text), tool_calls=calls, additional_kwargs=_thoughts_cut(message))
    return message.model_copy(update={"content": _cut(message.text)})


def _talk_cut(message: BaseMessage, limit: int) -> BaseMessage:
    """A reply that talks without end is cut even when it is new; what it wrote through tools is not."""
    if isinstance(message, AIMessage) and len(message.text) + len(reasoning.of(message)) > limit:
        thoughts = _thoughts_cut(message)
        return AIMessage(content=_cut(message.text), tool_calls=message.tool_calls, additional_kwargs=thoughts)
    return message


def _thoughts_cut(message: AIMessage) -> dict[str, Any]:
    """Never left out: servers that want reasoning back refuse a call without it."""
    return {name: _cut(text) for name, text in reasoning.in_fields(message.additional_kwargs).items()}


def _cut(value: Any) -> Any:
    if not isinstance(value, str) or len(value) <= 2 * KEPT_CHARS:
        return value
    return value[:KEPT_CHARS] + _LEFT_OUT.format(len(value) - KEPT_CHARS)


def _to_json(message: BaseMessage) -> dict[str, Any]:
    entry: dict[str, Any] = {"role": message.type, "content": message.text}
    if thought := reasoning.of(message):
        entry["reasoning"] = thought
    if isinstance(message, AIMessage) and message.tool_calls:
        entry["tool_calls"] = [
            {"name": call["name"], "args": call["args"], "id": call["id"]} for call in message.tool_calls
        ]
    if isinstance(message, ToolMessage):
        entry |= {"name": message.name, "tool_call_id": message.tool_call_id, "status": message.status}
    return entry
