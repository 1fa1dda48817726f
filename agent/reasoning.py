"""What a model thought before it answered: found where servers put it, kept apart from the answer.

Servers put it into a field of the message (``reasoning_content``: DeepSeek, llama.cpp, Kimi, GLM, older vLLM;
``reasoning``: vLLM, OpenRouter), into blocks of the content (Mistral), or, without a parser for the model, into the
text between ``<think>`` and ``</think>``. Some want it back as long as a task of several tool calls goes on: DeepSeek
answers 400 if it is missing (https://api-docs.deepseek.com/guides/thinking_mode); others have no such field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

FIELDS = ("reasoning_content", "reasoning")
"""Of a message, in the order in which they are looked at; the same names hold it in ``additional_kwargs``."""

WANTED_BACK = re.compile(r"deepseek|kimi|glm-|minimax|gpt-oss|qwen3", re.I)
"""Models whose templates or servers use the reasoning of earlier tool calls."""

_THINK = re.compile(r"\A\s*<think(?:ing)?>(.*?)(?:</think(?:ing)?>\s*|\Z)", re.S)
_ENDED = re.compile(r"\A(.*?)</think(?:ing)?>\s*", re.S)


def in_fields(message: Mapping[str, Any]) -> dict[str, str]:
    """The field of a message or of a piece of one that holds reasoning, if any does."""
    for name in FIELDS:
        text = message.get(name)
        if isinstance(text, str) and text:
            return {name: text}
    return {}


def parted(raw: AIMessage) -> tuple[str, dict[str, str]]:
    """The answer's text, and the reasoning under the name of its field; that of the text has the first name."""
    kept = in_fields(raw.additional_kwargs)
    blocks = _in_blocks(raw.content)
    if blocks and not kept:
        kept = {FIELDS[0]: blocks}
    text = raw.text
    if kept:
        return text, kept
    # Some templates open the thinking themselves, so that only its end is in the reply.
    found = _THINK.match(text) or ("<think" not in text and _ENDED.match(text)) or None
    if found is None:
        return text, {}
    thought = found.group(1).strip()
    return text[found.end() :], {FIELDS[0]: thought} if thought else {}


def of(message: BaseMessage) -> str:
    """What was kept of it."""
    return next(iter(in_fields(message.additional_kwargs).values()), "")


def give_back(messages: Sequence[BaseMessage], sent: Sequence[dict[str, Any]]) -> None:
    """Put the reasoning of replies with tool calls into what is sent, in the field it came in.

    Once there is any, such a reply without has the field too, empty: its absence is what servers refuse.
    """
    name = next((name for message in messages for name in in_fields(message.additional_kwargs)), None)
    if name is None:
        return
    for message, entry in zip(messages, sent, strict=True):
        if isinstance(message, AIMessage) and message.tool_calls:
            entry[name] = of(message)


def _in_blocks(content: Any) -> str:
    """Of content that is a list of blocks: ``{"type": "thinking", "thinking": TEXT or blocks of text}``."""
    if not isinstance(content, list):
        return ""
    texts = []
    for block in content:
        inner = block.get("thinking") if isinstance(block, dict) else None
        parts = inner if isinstance(inner, list) else [inner]
        texts += [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "".join(text for text in texts if isinstance(text, str))
