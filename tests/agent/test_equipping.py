"""Tools are bound to a model once a conversation, and their schemas are made once for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolCall
from langchain_core.tools import StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field

import agent.equipping
from agent.equipping import Equipped
from agent.proposing import ProposalTask, propose
from agent.scripted import ScriptedChatModel
from agent.subagents.asking import answer_tool
from tools.artifacts import ArtifactStore
from tools.fake_judge import FakeJudge, accepted, describe_softmax
from tools.problem import Problem

STEPS = ("read_problem", "read_graph", "read_problem", "decline")


class Counting(ScriptedChatModel):
    """Says what is called next, and counts how often tools are bound to it."""

    bound: list[Sequence[Any]] = Field(default_factory=list)

    def bind_tools(self, tools: Sequence[Any], **more: Any) -> Any:
        self.bound.append(tools)
        return super().bind_tools(tools, **more)


def script(messages: list[Any]) -> AIMessage:
    step = sum(isinstance(message, AIMessage) for message in messages)
    arguments = {"reason": "enough"} if STEPS[step] == "decline" else {}
    return AIMessage("", tool_calls=[ToolCall(name=STEPS[step], args=arguments, id=f"c{step}", type="tool_call")])


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the tools whose schemas were made."""
    names: list[str] = []

    def make(tool: Any) -> dict[str, Any]:
        names.append(tool.name)
        return convert_to_openai_tool(tool)

    monkeypatch.setattr(agent.equipping, "convert_to_openai_tool", make)
    agent.equipping._schema.cache_clear()
    return names


def converse(tmp_path: Any, model: ScriptedChatModel) -> Any:
    task = ProposalTask(
        round=1, slot=0, slots=1, parent=None, visible=(), recalled=(), baselines={"eager": 1e-3}, target="cpu",
        language="python", seed=0,
    )  # fmt: skip
    return propose(
        task,
        model=model,
        judge=FakeJudge(lambda source: accepted(1.5)),
        problem=Problem("softmax", "class Model: ..."),
        description=describe_softmax(),
        store=ArtifactStore(tmp_path),
        memory=None,
        max_steps=10,
        emit=lambda kind, **data: None,
    )


def test_tools_are_bound_once_a_conversation(tmp_path, made):
    model = Counting(script=script)
    first = converse(tmp_path, model)
    assert first.model_calls == len(STEPS)
    assert len(model.bound) == 1
    assert sorted(made) == sorted({*made}), "each tool's schema once, for binding, counting and the transcript"
    second = converse(tmp_path, model)
    assert len(model.bound) == 2
    assert len(made) == len(second.tools), "and not again for the tools of another proposal"
    assert second.tools == first.tools


def test_the_schemas_are_those_that_langchain_makes():
    def text(words: str, often: int = 1) -> str:
        """Say something."""
        return words * often

    tools = [StructuredTool.from_function(text), answer_tool(ProposalForm), answer_tool(OtherForm)]
    asked = Equipped(ScriptedChatModel(script=script), tools)
    assert asked.schemas == [convert_to_openai_tool(tool) for tool in tools]
    assert asked.schemas[1] != asked.schemas[2], "one name, another form"
    assert Equipped(asked.model).bound is asked.model, "servers refuse an empty list"


class ProposalForm(BaseModel):
    """One form."""

    source: str


class OtherForm(BaseModel):
    """Another form."""

    text: str
