"""A chat model that replays replies: for tests, examples and ``--model scripted:FILE``.

What it answers is a function of the conversation alone, never of a counter: parallel proposals and resumed
runs get the same replies in whatever order they ask. It is strict: where the script ends, it raises.

A script file is JSON: a list of replies, which every conversation plays from the start; or an object
``{"proposals": [{"round": 1, "slot": 0, "replies": [...]}, ...]}``, of which the first entry whose ``round``
and ``slot`` fit (absent fits all) is played. A reply is ``{"content": "...", "tool_calls": [{"name": "...",
"args": {...}}], "usage": {"input_tokens": 1, "output_tokens": 1}}``, every part optional.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolCall, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, RootModel, ValidationError

from agent.errors import ModelRejected
from tools.errors import RequestError
from tools.problem_text import one_line

Script = Callable[[list[BaseMessage]], AIMessage]
"""From the conversation so far to the next reply; raises to play a failure."""

_PLACE = re.compile(r"^round=(\d+) slot=(\d+) ", re.M)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScriptedCall(_Strict):
    """One tool call."""

    name: str
    args: dict[str, Any] = {}


class ScriptedUsage(_Strict):
    """What the reply claims to have used, in tokens."""

    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)


class ScriptedReply(_Strict):
    """One answer."""

    content: str = ""
    tool_calls: tuple[ScriptedCall, ...] = ()
    usage: ScriptedUsage | None = None


class ScriptedProposal(_Strict):
    """The replies of one conversation, and which conversation that is."""

    round: int | None = None
    slot: int | None = None
    replies: tuple[ScriptedReply, ...]


class _Proposals(_Strict):
    proposals: tuple[ScriptedProposal, ...]


class _File(RootModel[_Proposals | tuple[ScriptedReply, ...]]):
    pass


class ScriptedChatModel(BaseChatModel):
    """Plays ``script``; records every conversation it was asked to continue in ``calls``."""

    script: Script
    streaming: bool = False
    _calls: list[list[BaseMessage]] = PrivateAttr(default_factory=list)

    @property
    def calls(self) -> list[list[BaseMessage]]:
        """The conversations, in the order in which replies were asked for."""
        return self._calls

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind as OpenAI-style tool schemas, as real models do."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        reply = self._reply(messages)
        for piece in _pieces(reply.text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        for index, call in enumerate(reply.tool_calls):
            name: str | None = call["name"]
            ident: str | None = call["id"]
            for piece in _pieces(json.dumps(call["args"])):
                part = tool_call_chunk(name=name, args=piece, id=ident, index=index)
                yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[part]))
                name = ident = None
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                usage_metadata=reply.usage_metadata,
                response_metadata=reply.response_metadata,
                chunk_position="last",
            )
        )

    def _reply(self, messages: list[BaseMessage]) -> AIMessage:
        self._calls.append(list(messages))
        reply = self.script(messages)
        finish = "tool_calls" if reply.tool_calls else "stop"
        return reply.model_copy(
            update={
                "usage_metadata": reply.usage_metadata or _estimate(messages, reply),
                "response_metadata": {"finish_reason": finish, **reply.response_metadata},
            }
        )


def replay(proposals: Sequence[ScriptedProposal], name: str = "the script") -> Script:
    """The script that plays these proposals; raises ModelRejected where it ends."""

    def script(messages: list[BaseMessage]) -> AIMessage:
        place = _place(messages)
        fitting = [one for one in proposals if one.round in (None, place[0]) and one.slot in (None, place[1])]
        if not fitting:
            raise ModelRejected(
                f"{name} has no proposal for round {place[0]}, slot {place[1]}: add one, or leave both out"
            )
        said = sum(isinstance(message, AIMessage) for message in messages)
        if said >= len(fitting[0].replies):
            raise ModelRejected(f"{name} ends after {said} replies and one more was asked for: add it")
        return _message(fitting[0].replies[said], said)

    return script


def load_script(path: Path, *, streaming: bool = False) -> ScriptedChatModel:
    """Read a script file. Raises RequestError with one line that says what is wrong with it."""
    try:
        parsed = _File.model_validate_json(path.read_bytes()).root
    except OSError as error:
        raise RequestError(f"cannot read the script {path}: {error.strerror}; give scripted:FILE") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise RequestError(f"the script {path} is wrong at {place or 'its start'}: {one_line(first['msg'])}") from error
    proposals = parsed.proposals if isinstance(parsed, _Proposals) else (ScriptedProposal(replies=parsed),)
    return ScriptedChatModel(script=replay(proposals, f"the script {path}"), streaming=streaming)


def _place(messages: list[BaseMessage]) -> tuple[int | None, int | None]:
    """Round and slot as the task section tells them."""
    for message in messages:
        found = _PLACE.search(message.text) if message.type == "human" else None
        if found:
            return int(found.group(1)), int(found.group(2))
    return None, None


def _message(reply: ScriptedReply, said: int) -> AIMessage:
    calls = [
        ToolCall(name=call.name, args=call.args, id=f"call_{said}_{index}", type="tool_call")
        for index, call in enumerate(reply.tool_calls)
    ]
    usage = reply.usage
    told = None
    if usage is not None:
        told = UsageMetadata(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            total_tokens=usage.input_tokens + usage.output_tokens,
        )
    return AIMessage(content=reply.content, tool_calls=calls, usage_metadata=told)


def _estimate(messages: list[BaseMessage], reply: AIMessage) -> UsageMetadata:
    asked, answered = count_tokens_approximately(messages), count_tokens_approximately([reply])
    return UsageMetadata(input_tokens=asked, output_tokens=answered, total_tokens=asked + answered)


def _pieces(text: str, size: int = 40) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]
