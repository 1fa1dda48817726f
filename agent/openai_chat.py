"""The OpenAI client, forgiving of servers that speak the protocol loosely, strict about what counts as a call.

A model's slip must reach the proposal, which answers it. langchain-openai raises for arguments sent as an object
or as JSON that is no object; and from a stream it completes JSON that was cut short, so that half a file would
pass for a whole one (in quadratic time where it cannot). Here a call's arguments are a whole JSON object, or
they are a ``MALFORMED`` text, which LangChain reports as an invalid call. Reasoning, which langchain-openai drops, is
kept, and given back to servers that ask for it. Everything that comes over the line passes ``agent.calling.WATCH``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import PrivateAttr

from agent import reasoning
from agent.calling import WATCH
from agent.models.names import OPENAI_HOST
from agent.replies import MALFORMED, MAX_CALLS, MAX_REPLY_CHARS

_RAW = "kernelwright_fragments"
_FIELD = re.compile("|".join(reasoning.FIELDS))
_SHOWN_CHARS = 400
MAX_STREAMED_CALLS = 4 * MAX_CALLS
"""A stream with more calls is cut."""


class TolerantChatOpenAI(ChatOpenAI):
    """``ChatOpenAI`` whose replies always parse into tool calls, valid or invalid.

    In a stream, text comes at once and tool calls come whole, in one chunk at the end.
    """

    returns_reasoning: bool = False
    """Whether the reasoning of earlier tool calls is sent back."""
    may_learn: bool = True
    """Whether a refusal that names the field turns ``returns_reasoning`` round, once."""
    _learnt: bool = PrivateAttr(default=False)

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        payload: dict[str, Any] = super()._get_request_payload(input_, stop=stop, **kwargs)
        if self.returns_reasoning:
            reasoning.give_back(self._convert_input(input_).to_messages(), payload["messages"])
        if "max_completion_tokens" in payload and OPENAI_HOST not in (self.openai_api_base or OPENAI_HOST):
            payload["max_tokens"] = payload.pop("max_completion_tokens")  # the name that every other server knows
        return payload

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        body = response if isinstance(response, dict) else response.model_dump(warnings=False)
        thoughts = []
        for choice in _dicts(body.get("choices")):
            message = choice.get("message")
            thoughts.append(reasoning.in_fields(message) if isinstance(message, dict) else {})
            for call in _dicts(message.get("tool_calls")) if isinstance(message, dict) else ():
                function = call.get("function")
                if isinstance(function, dict):
                    function["name"] = _text(function.get("name"))
                    function["arguments"] = _arguments(function.get("arguments"))
        body["usage"] = _usage(body.get("usage"))
        result = super()._create_chat_result(body, generation_info)
        for generation, thought in zip(result.generations, thoughts, strict=False):
            generation.message.additional_kwargs.update(thought)
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        fragments: list[dict[str, Any]] = []
        thought: dict[str, str] = {}
        for choice in _dicts(chunk.get("choices")):
            delta = choice.get("delta")
            if isinstance(delta, dict):
                fragments += _dicts(delta.pop("tool_calls", None))
                thought = reasoning.in_fields(delta)
        chunk["usage"] = _usage(chunk.get("usage"))
        converted = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if converted is not None:
            converted.message.additional_kwargs.update(thought)
            if fragments:
                converted.message.additional_kwargs[_RAW] = fragments
        return converted

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        try:
            return super()._generate(*args, **kwargs)
        except openai.BadRequestError as error:
            if not self._learn(error):
                raise
        return super()._generate(*args, **kwargs)

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        try:
            yield from self._stream_once(*args, **kwargs)
        except openai.BadRequestError as error:  # which comes before the first piece
            if not self._learn(error):
                raise
            yield from self._stream_once(*args, **kwargs)

    def _stream_once(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        calls: list[_Call] = []
        for chunk in super()._stream(*args, **kwargs):
            for fragment in chunk.message.additional_kwargs.pop(_RAW, ()):
                _gather(calls, fragment)
            yield chunk
            size = sum(len(call.arguments) + len(call.name) + len(call.id) for call in calls)
            if size > MAX_REPLY_CHARS or len(calls) > MAX_STREAMED_CALLS:
                break  # it never ends; what there is counts as malformed
        if calls:
            whole = [
                tool_call_chunk(name=call.name, args=_arguments(call.arguments), id=call.id, index=index)
                for index, call in enumerate(calls)
            ]
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=whole))

    def _learn(self, error: openai.BadRequestError) -> bool:
        """Whether asking again, the other way round, may help."""
        if self._learnt or not self.may_learn or not _FIELD.search(str(error)):
            return False
        self._learnt, self.returns_reasoning = True, not self.returns_reasoning
        return True


def watched_client(timeout: Any) -> Any:
    """An HTTP client that shows every piece it reads to ``WATCH``, comments and whole bodies included.

    The library's own limits count the silence between two pieces only.
    """

    def watch(response: Any) -> None:
        read = response.iter_bytes

        def iter_bytes(chunk_size: int | None = None) -> Iterator[bytes]:
            for piece in read(chunk_size):
                look = WATCH.get()
                if look is not None:
                    look(len(piece))
                yield piece

        response.iter_bytes = iter_bytes

    return openai.DefaultHttpxClient(timeout=timeout, event_hooks={"response": [watch]})


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


def _usage(usage: Any) -> dict[str, Any] | None:
    """What can be believed of it: whole numbers that are not negative; DeepSeek's count of cached tokens too."""
    if not isinstance(usage, dict):
        return None
    counts: dict[str, Any] = {name: _number(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")}
    if None in counts.values():
        return None
    cached = _number(_inner(usage, "prompt_tokens_details", "cached_tokens"))
    cached = _number(usage.get("prompt_cache_hit_tokens")) if cached is None else cached
    thought = _number(_inner(usage, "completion_tokens_details", "reasoning_tokens"))
    return {
        **counts,
        "total_tokens": counts["prompt_tokens"] + counts["completion_tokens"],
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def _inner(usage: dict[str, Any], outer: str, name: str) -> Any:
    details = usage.get(outer)
    return details.get(name) if isinstance(details, dict) else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


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
