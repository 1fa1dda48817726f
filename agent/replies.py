"""A model's answer, cleaned: text, reasoning and well-formed tool calls, and what it took."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall
from langchain_core.messages.utils import count_tokens_approximately

from agent import reasoning
from tools.problem_text import one_line

MAX_REPLY_CHARS = 400_000
"""A reply is cut here: no candidate is that long."""
MAX_CALLS = 32
"""Tool calls of one reply that are carried out; the others are left out of the conversation."""

MALFORMED = "not an object: "
"""How the text of a call's arguments begins when the client found them to be none; what follows is why."""


@dataclass(frozen=True)
class Malformed:
    """A tool call whose arguments are no JSON object."""

    call: ToolCall
    fault: str


@dataclass(frozen=True)
class Counted:
    """Tokens of one call."""

    tokens_in: int
    tokens_out: int
    """Reasoning among them."""
    cached: int = 0
    """Of ``tokens_in``: what the server had cached already."""
    reasoning: int = 0
    """Of ``tokens_out``, where the server tells."""
    approximate: bool = False
    """The server told no usage; the counts are estimates."""


@dataclass(frozen=True)
class Reply:
    """A model's answer, cleaned: only text and well-formed tool calls, every call with an id of its own."""

    message: AIMessage
    malformed: tuple[Malformed, ...]
    """Calls of ``message`` that must not be carried out."""
    dropped: int
    """Calls beyond ``MAX_CALLS``, which ``message`` does not hold."""
    finish: str
    """Why it stopped, as the server says (``stop``, ``tool_calls``, ``length``), or empty."""
    tokens_in: int
    tokens_out: int
    approximate: bool
    """The server told no usage; the counts are estimates."""
    cost_usd: float | None
    """None when the price is unknown."""
    seconds: float
    lost_tokens: int = 0
    """Of tries before this one that broke off, and may have to be paid all the same."""
    lost_cost_usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        """Prompt and completion together, lost tries included."""
        return self.tokens_in + self.tokens_out + self.lost_tokens

    @property
    def whole_cost_usd(self) -> float | None:
        """Lost tries included; None when the price is unknown."""
        return None if self.cost_usd is None or self.lost_cost_usd is None else self.cost_usd + self.lost_cost_usd


def clean(raw: AIMessage, step: int) -> tuple[AIMessage, tuple[Malformed, ...], int]:
    """Text, reasoning, tool calls, and how many calls were left out.

    What is no JSON object stays out of the history: servers choke on it.
    """
    calls: list[ToolCall] = []
    malformed: list[Malformed] = []
    taken: set[str] = set()
    given = _raw_calls(raw)
    for index, (name, arguments, told) in enumerate(given[:MAX_CALLS]):
        ident = told if told and told not in taken else f"call_{step}_{index}"
        taken.add(ident)
        parsed, fault = _parse_arguments(arguments)
        call = ToolCall(name=_tool_name(name), args=parsed, id=ident, type="tool_call")
        calls.append(call)
        if fault:
            malformed.append(Malformed(call, fault))
    text, thought = reasoning.parted(raw)
    message = AIMessage(
        content=_encodable(text[:MAX_REPLY_CHARS]),
        tool_calls=calls,
        additional_kwargs={name: _encodable(value[:MAX_REPLY_CHARS]) for name, value in thought.items()},
    )
    return message, tuple(malformed), len(given) - len(calls)


def count(raw: AIMessage, messages: list[BaseMessage]) -> Counted:
    """What the server told, or an estimate."""
    told = raw.usage_metadata
    if told and (told["input_tokens"] or told["output_tokens"]):
        return Counted(
            int(told["input_tokens"]),
            int(told["output_tokens"]),
            cached=int(told.get("input_token_details", {}).get("cache_read") or 0),
            reasoning=int(told.get("output_token_details", {}).get("reasoning") or 0),
        )
    thought = reasoning.in_fields(raw.additional_kwargs)
    whole = [raw, *(AIMessage(text) for text in thought.values())]
    return Counted(count_tokens_approximately(messages), count_tokens_approximately(whole), approximate=True)


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
