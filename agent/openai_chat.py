"""The OpenAI client, forgiving of servers that speak the protocol loosely, strict about what counts as a call.

A model's slip must reach the proposal, which answers it. langchain-openai raises for arguments sent as an object
or as JSON that is no object; and from a stream it completes JSON that was cut short, so that half a file would
pass for a whole one (in quadratic time where it cannot). Here a call's arguments are a whole JSON object, or
they are a ``MALFORMED`` text, which LangChain reports as an invalid call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI

from agent.calling import MALFORMED, MAX_REPLY_CHARS

_RAW = "kernelwright_fragments"
_SHOWN_CHARS = 400


class TolerantChatOpenAI(ChatOpenAI):
    """``ChatOpenAI`` whose replies always parse into tool calls, valid or invalid.

    In a stream, text comes at once and tool calls come whole, in one chunk at the end.
    """

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        body = response if isinstance(response, dict) else response.model_dump(warnings=False)
        for choice in _dicts(body.get("choices")):
            message = choice.get("message")
            for call in _dicts(message.get("tool_calls")) if isinstance(message, dict) else ():
                function = call.get("function")
                if isinstance(function, dict):
                    function["name"] = _text(function.get("name"))
                    function["arguments"] = _arguments(function.get("arguments"))
        return super()._create_chat_result(body, generation_info)

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        fragments: list[dict[str, Any]] = []
        for choice in _dicts(chunk.get("choices")):
            delta = choice.get("delta")
            if isinstance(delta, dict):
                fragments += _dicts(delta.pop("tool_calls", None))
        converted = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if converted is not None and fragments:
            converted.message.additional_kwargs[_RAW] = fragments
        return converted

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        calls: list[_Call] = []
        for chunk in super()._stream(*args, **kwargs):
            for fragment in chunk.message.additional_kwargs.pop(_RAW, ()):
                _gather(calls, fragment)
            yield chunk
            if sum(len(call.arguments) for call in calls) > MAX_REPLY_CHARS:
                break  # it never ends; what there is counts as malformed
        if calls:
            whole = [
                tool_call_chunk(name=call.name, args=_arguments(call.arguments), id=call.id, index=index)
                for index, call in enumerate(calls)
            ]
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=whole))


@dataclass
class _Call:
    """A tool call being put together."""

    index: Any
    id: str
    name: str
    arguments: str


def _gather(calls: list[_Call], fragment: dict[str, Any]) -> None:
    """Add a fragment to its call. Servers differ: without numbers, without ids, or all calls numbered 0."""
    function = fragment.get("function")
    parts = function if isinstance(function, dict) else {}
    index, ident, name = fragment.get("index"), _text(fragment.get("id")), _text(parts.get("name"))
    text = parts.get("arguments")
    piece = json.dumps(text) if isinstance(text, dict) else _text(text)
    known = next((call for call in reversed(calls) if call.index == index), None)
    begins = known is None or (ident and known.id not in ("", ident)) or (index is None and bool(name))
    if known is None and index is None and calls and not name and not ident:
        known, begins = calls[-1], False
    if begins or known is None:
        calls.append(_Call(index, ident, name, piece))
        return
    known.id = known.id or ident
    known.name = known.name or name
    known.arguments += piece


def _dicts(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _arguments(arguments: Any) -> str:
    """The text of a whole JSON object, or a ``MALFORMED`` one."""
    if isinstance(arguments, dict):
        return json.dumps(arguments)
    text = _text(arguments)
    if not text.strip():
        return "{}"
    try:
        parsed = json.loads(text)
    except ValueError as error:
        return f"{MALFORMED}{error} in {text[:_SHOWN_CHARS]}"
    except RecursionError:
        return f"{MALFORMED}nested too deeply"
    return text if isinstance(parsed, dict) else f"{MALFORMED}{text[:_SHOWN_CHARS]}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
