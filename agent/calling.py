"""One call of a chat model: streamed or not, retried, bounded, counted, and never a foreign exception."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.tools import BaseTool

from agent.errors import ModelUnavailable, OutOfTime
from agent.failures import is_silence, is_worth_retrying, retry_after_s, translate
from tools.problem_text import one_line

MAX_REPLY_CHARS = 400_000
"""A stream is cut here: no candidate is that long."""
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
"""A server that asks to wait longer is given up."""
STREAM_PATIENCE = 10
"""A stream may last this many times the silence limit in all."""

MALFORMED = "not an object: "
"""How the text of a call's arguments begins when the client found them to be none; what follows is why."""

Emit = Callable[..., None]


def never() -> bool:
    """There is no end of time."""
    return False


@dataclass(frozen=True)
class Malformed:
    """A tool call whose arguments are no JSON object."""

    call: ToolCall
    fault: str


@dataclass(frozen=True)
class Reply:
    """A model's answer, cleaned: only text and well-formed tool calls, every call with an id of its own."""

    message: AIMessage
    malformed: tuple[Malformed, ...]
    """Calls of ``message`` that must not be carried out."""
    finish: str
    """Why it stopped, as the server says (``stop``, ``tool_calls``, ``length``), or empty."""
    tokens_in: int
    tokens_out: int
    approximate: bool
    """The server told no usage; the counts are estimates."""
    cost_usd: float | None
    """None when the price is unknown."""
    seconds: float

    @property
    def tokens(self) -> int:
        """Prompt and completion together."""
        return self.tokens_in + self.tokens_out


def call_model(
    model: BaseChatModel,
    tools: Sequence[BaseTool],
    messages: list[BaseMessage],
    step: int,
    emit: Emit,
    out_of_time: Callable[[], bool] = never,
) -> Reply:
    """Ask once, with retries. ``out_of_time`` is asked at every piece of a streamed reply, and may raise.

    Raises OutOfTime when it says so, ModelUnavailable or ModelRejected; what a local model raises by mistake surfaces
    as it is.
    """
    began = time.monotonic()
    raw = _with_retries(lambda: _ask(model, tools, messages, out_of_time), model, emit)
    message, malformed = _clean(raw, step)
    tokens_in, tokens_out, approximate = _usage(raw, messages)
    return Reply(
        message=message,
        malformed=malformed,
        finish=str(raw.response_metadata.get("finish_reason") or ""),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        approximate=approximate,
        cost_usd=_cost(model, tokens_in, tokens_out),
        seconds=time.monotonic() - began,
    )


def _with_retries(ask: Callable[[], AIMessage], model: BaseChatModel, emit: Emit) -> AIMessage:
    """Retry what may pass. Silence is retried once only: it has already cost the longest wait there is."""
    most = int(_policy(model, "max_retries", 0))
    silences = 0
    for attempt in range(most + 1):
        try:
            return ask()
        except Exception as error:  # the room's border: everything is translated or raised again
            ours = translate(error, model)
            if ours is None:
                raise
            silences += is_silence(error)
            wait = retry_after_s(error)
            delay = FIRST_DELAY_S * 2**attempt if wait is None else wait
            last = attempt == most or silences > 1 or delay > LONGEST_DELAY_S
            if last or not is_worth_retrying(error):
                raise ours from error
        emit("notice", text=f"{ours}; trying again in {delay:.1f} s")
        time.sleep(delay)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _ask(
    model: BaseChatModel, tools: Sequence[BaseTool], messages: list[BaseMessage], out_of_time: Callable[[], bool]
) -> AIMessage:
    bound = model.bind_tools(list(tools))
    if not getattr(model, "streaming", False):
        return bound.invoke(messages)
    deadline = time.monotonic() + STREAM_PATIENCE * float(_policy(model, "timeout_s", 3600.0))
    parts: list[AIMessageChunk] = []
    size = 0
    stream = cast("Generator[BaseMessage, None, None]", bound.stream(messages))
    with closing(stream):
        for chunk in stream:
            if not isinstance(chunk, AIMessageChunk):
                raise TypeError(f"a stream of {type(chunk).__name__}")
            parts.append(chunk)
            size += len(chunk.text) + sum(len(part["args"] or "") for part in chunk.tool_call_chunks)
            if size > MAX_REPLY_CHARS:
                break
            if out_of_time():
                raise OutOfTime("the time is up")
            if time.monotonic() > deadline:
                raise ModelUnavailable("the model's reply does not end; choose another --model")
    if not parts:
        raise ValueError("an empty stream")
    whole = add_ai_message_chunks(parts[0], *parts[1:])
    if size > MAX_REPLY_CHARS:
        whole.response_metadata["finish_reason"] = "length"
    return whole


def _clean(raw: AIMessage, step: int) -> tuple[AIMessage, tuple[Malformed, ...]]:
    """Text and tool calls only. What is no JSON object stays out of the history: servers choke on it."""
    calls: list[ToolCall] = []
    malformed: list[Malformed] = []
    taken: set[str] = set()
    for index, (name, arguments, given) in enumerate(_raw_calls(raw)):
        ident = given if given and given not in taken else f"call_{step}_{index}"
        taken.add(ident)
        parsed, fault = _parse_arguments(arguments)
        call = ToolCall(name=_tool_name(name), args=parsed, id=ident, type="tool_call")
        calls.append(call)
        if fault:
            malformed.append(Malformed(call, fault))
    return AIMessage(content=_encodable(raw.text[:MAX_REPLY_CHARS]), tool_calls=calls), tuple(malformed)


def _raw_calls(raw: AIMessage) -> list[tuple[str, Any, str | None]]:
    """Name, arguments (an object, or the text of what should be one) and id."""
    if isinstance(raw, AIMessageChunk) and raw.tool_call_chunks:
        # Not the merged stream's own parsing: it completes JSON that was cut short.
        return [(part["name"] or "", part["args"] or "{}", part["id"]) for part in raw.tool_call_chunks]
    good = [(call["name"], call["args"], call["id"]) for call in raw.tool_calls]
    bad = [(call["name"] or "", call["args"] or "", call["id"]) for call in raw.invalid_tool_calls]
    return good + bad


def _parse_arguments(arguments: Any) -> tuple[dict[str, Any], str]:
    """The object, and what is wrong with the text if it is none."""
    text = str(arguments)
    try:
        parsed = arguments if isinstance(arguments, dict) else json.loads(text)
        if isinstance(parsed, dict):
            json.dumps(parsed, ensure_ascii=False).encode()
            return parsed, ""
        fault = "no JSON object"
    except UnicodeEncodeError:
        fault = "not Unicode: they hold lone surrogates"
    except (ValueError, RecursionError):
        fault = f"no JSON object ({one_line(_encodable(text.removeprefix(MALFORMED)), 200)})"
    return {"malformed": _encodable(text[:400])}, f"the arguments are {fault}"


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _tool_name(name: str) -> str:
    """Servers refuse a history that holds a name of other characters."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64] or "unnamed"


def _usage(raw: AIMessage, messages: list[BaseMessage]) -> tuple[int, int, bool]:
    told = raw.usage_metadata
    if told and (told["input_tokens"] or told["output_tokens"]):
        return int(told["input_tokens"]), int(told["output_tokens"]), False
    return count_tokens_approximately(messages), count_tokens_approximately([raw]), True


def _cost(model: BaseChatModel, tokens_in: int, tokens_out: int) -> float | None:
    price_in, price_out = _policy(model, "price_in", None), _policy(model, "price_out", None)
    if price_in is None or price_out is None:
        return None
    return (tokens_in * float(price_in) + tokens_out * float(price_out)) / 1e6


def _policy(model: BaseChatModel, name: str, default: Any) -> Any:
    """What ``make_model`` attached to the model."""
    value = (model.metadata or {}).get(name)
    return default if value is None else value
