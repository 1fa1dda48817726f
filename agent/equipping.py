"""A chat model with the tools it may call: their schemas are made and bound once, however often it is asked.

Schemas are made of Python types, which takes milliseconds for the tools of a proposal, and their size is asked at
every call. Tools of one name, text and arguments have one schema, whatever they do: it is kept for later proposals.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel


@dataclass(frozen=True)
class Equipped:
    """What is asked in one conversation; neither of the two changes meanwhile."""

    model: BaseChatModel
    tools: list[BaseTool] = field(default_factory=list)

    @cached_property
    def schemas(self) -> list[dict[str, Any]]:
        """Of the tools, as OpenAI has them; for reading only."""
        return [_schema_of(tool) for tool in self.tools]

    @cached_property
    def schema_chars(self) -> int:
        """What is sent of the tools with every call."""
        return len(json.dumps(self.schemas))

    @cached_property
    def bound(self) -> Runnable[Any, AIMessage]:
        """The model that knows its tools; itself where there are none, as servers refuse an empty list."""
        return self.model.bind_tools(self.schemas) if self.tools else self.model


def _schema_of(tool: BaseTool) -> dict[str, Any]:
    form = tool.args_schema
    if isinstance(form, type) and issubclass(form, BaseModel):
        return _schema(tool.name, tool.description, form)
    return convert_to_openai_tool(tool)


@lru_cache(maxsize=256)
def _schema(name: str, description: str, form: type[BaseModel]) -> dict[str, Any]:
    tool = StructuredTool(name=name, description=description, args_schema=form, func=_nothing)
    return convert_to_openai_tool(tool)


def _nothing(**_: Any) -> str:
    return ""
