"""The tools a model may call in one proposal: names, argument schemas and answers.

A tool that fails answers with a ``ToolMessage`` of status ``error``; it never raises for what a model did
wrong. This is the one place in the room that knows LangChain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.answers import ToolRefusal
from tools.consulting import BOTTLENECKS
from tools.problem_text import one_line
from tools.profiling.generated import Part
from tools.profiling.registry import AUTO, choices_text
from tools.workbench import DRAFT, Text, Workbench

PROFILING = "profile_candidate"


class _Arguments(BaseModel):
    # strict: a number is not a text; forbid: a misspelt argument is told, not ignored
    model_config = ConfigDict(extra="forbid", strict=True)


class NoArguments(_Arguments):
    """None."""


class WriteArguments(_Arguments):
    """A whole candidate file."""

    source: str = Field(description="The whole Python file, with class ModelNew(nn.Module).")


class EditArguments(_Arguments):
    """One replacement."""

    search: str = Field(description="Text that occurs exactly once in the file, copied to the last space.")
    replace: str = Field(description="What to put in its place.")


class IdArguments(_Arguments):
    """One candidate."""

    id: str = Field(description="A candidate's id from Attempts, Recalled or search_memory, or its beginning.")


class PairArguments(_Arguments):
    """Two candidates."""

    first: str = Field(description="A candidate's id or its beginning; draft stands for the draft.")
    second: str = Field(description="Another one: the diff leads from the first to it.")


class CodeArguments(_Arguments):
    """Which code of which candidate."""

    part: Part = Field(default="machine", description="machine: assembly or SASS; of a Triton kernel also ptx, ttgir.")
    id: str = Field(default=DRAFT, description="A candidate's id or its beginning; draft stands for the draft.")


class TextArguments(_Arguments):
    """Words to look for."""

    text: str = Field(description="Operator names or a few words.")


class KnowledgeArguments(_Arguments):
    """What to look for among the documents."""

    text: str = Field(description="A few words: a method, an instruction, a symptom.")
    bottleneck: str = Field(default="", description=f"What limits the kernel, or nothing: {', '.join(BOTTLENECKS)}.")


class NameArguments(_Arguments):
    """One document."""

    name: str = Field(description="A document's name, from search_knowledge or the Knowledge section.")


class ProfileArguments(_Arguments):
    """Which profiler, on the host."""

    profiler: str = Field(
        default=AUTO, description=f"{AUTO} takes the best that works here. {choices_text(on_gpu=False)}."
    )


class GpuProfileArguments(_Arguments):
    """Which profiler, on a GPU."""

    profiler: str = Field(
        default=AUTO, description=f"{AUTO} takes the best that works here. {choices_text(on_gpu=True)}."
    )


class LogArguments(_Arguments):
    """Which text, and where to begin."""

    what: Text = Field(default="log", description="log: of the last compilation or test; or the tool that it is of.")
    line: int = Field(default=1, ge=1, description="The first line shown. 1 shows the beginning and the end.")


class SubmitArguments(_Arguments):
    """How the candidate differs."""

    strategy: str = Field(description="One line: what this candidate does differently and why it is faster.")


class DeclineArguments(_Arguments):
    """Why there is none."""

    reason: str = Field(description="One line: why there is no candidate.")


@dataclass(frozen=True)
class _Tool:
    name: str
    description: str
    arguments: type[_Arguments]
    method: Callable[..., str]


def _specify(bench: Workbench) -> list[_Tool]:
    """All tools, always in this order, so that prompts are the same every time."""
    return [*_to_write(bench), *_to_look(bench), *_to_end(bench)]


def _to_write(bench: Workbench) -> list[_Tool]:
    return [
        _Tool(
            "read_problem",
            "The reference's source, cases, roofline, baselines, machine, and the rules of a candidate file.",
            NoArguments,
            bench.read_problem,
        ),
        _Tool("read_graph", "The reference's operator graph as JSON.", NoArguments, bench.read_graph),
        _Tool(
            "write_candidate",
            "Write the draft: a whole Python file. It replaces what was written before.",
            WriteArguments,
            bench.write_candidate,
        ),
        _Tool(
            "edit_candidate",
            "Replace one passage of the draft (of the parent, while nothing is written).",
            EditArguments,
            bench.edit_candidate,
        ),
        _Tool("compile_candidate", "Build the draft in a sandbox.", NoArguments, bench.compile_candidate),
        _Tool(
            "test_candidate",
            "Build the draft and compare its outputs with the reference; nothing is timed.",
            NoArguments,
            bench.test_candidate,
        ),
        _Tool(
            "time_candidate",
            "A quick look at the draft's speed, beside the best baseline for a second or two; no verdict.",
            NoArguments,
            bench.time_candidate,
        ),
    ]


def _to_look(bench: Workbench) -> list[_Tool]:
    return [
        _Tool(
            "read_log",
            "The whole text behind a short answer: the log of the last compilation or test, or what else there is.",
            LogArguments,
            bench.read_log,
        ),
        _Tool(
            PROFILING,
            "Say what limits the draft (memory, compute, latency, occupancy, launches), on what evidence, what helps.",
            ProfileArguments if bench.platform == "cpu" else GpuProfileArguments,
            bench.profile_candidate,
        ),
        _Tool(
            "read_generated_code",
            "What the compiler made of the draft or another candidate: its hot loops, vectors and widths, registers.",
            CodeArguments,
            lambda part, id: bench.read_generated_code(part, id),  # noqa: A006 - the argument's public name
        ),
        _Tool(
            "read_candidate",
            "The source of an earlier candidate.",
            IdArguments,
            lambda id: bench.read_candidate(id),  # noqa: A006 - the argument's public name
        ),
        _Tool(
            "compare_candidates",
            "Two candidates side by side: verdicts, times, errors, profiles, whether one is faster, and their diff.",
            PairArguments,
            bench.compare_candidates,
        ),
        _Tool("search_memory", "What earlier runs learned.", TextArguments, bench.search_memory),
        _Tool(
            "search_knowledge",
            "Documents on this chip and language: methods, limits, mistakes.",
            KnowledgeArguments,
            bench.search_knowledge,
        ),
        _Tool("read_knowledge", "One of those documents.", NameArguments, bench.read_knowledge),
    ]


def _to_end(bench: Workbench) -> list[_Tool]:
    return [
        _Tool(
            "submit",
            "End this proposal with the draft. It must have been compiled.",
            SubmitArguments,
            bench.submit,
        ),
        _Tool("decline", "End this proposal without a candidate.", DeclineArguments, bench.decline),
    ]


def make_tools(workbench: Workbench, *, profiled: bool = True) -> list[BaseTool]:
    """The tools of one proposal, in a fixed order; ``profiled``: whether a profiler is among them."""
    return [_build(spec, workbench) for spec in _specify(workbench) if profiled or spec.name != PROFILING]


def run_tool(tools: list[BaseTool], call: ToolCall) -> ToolMessage:
    """Answer one call; unknown names and bad arguments are answered too, with what would be right."""
    by_name = {tool.name: tool for tool in tools}
    tool = by_name.get(call["name"])
    if tool is None:
        text = f"there is no tool {one_line(call['name'], 80)!r}. {usage_text(tools)}"
        return ToolMessage(content=text, tool_call_id=str(call["id"]), name=call["name"], status="error")
    answer = tool.invoke({**call, "type": "tool_call"})
    if not isinstance(answer, ToolMessage):
        raise TypeError(f"{tool.name} answered with {type(answer).__name__}")
    return answer


def usage_text(tools: list[BaseTool]) -> str:
    """Names and arguments of all tools, one line."""
    return "The tools are: " + "; ".join(signature_text(tool) for tool in tools)


def signature_text(tool: BaseTool) -> str:
    """``name(argument: type, ...)``."""
    properties: dict[str, Any] = tool.tool_call_schema.model_json_schema().get("properties", {})  # type: ignore[union-attr]
    inside = ", ".join(f"{name}: {_type_text(facts)}" for name, facts in properties.items())
    return f"{tool.name}({inside})"


def _type_text(facts: dict[str, Any]) -> str:
    return "|".join(map(str, facts["enum"])) if "enum" in facts else str(facts.get("type", "any"))


def _build(spec: _Tool, bench: Workbench) -> BaseTool:
    def call(**arguments: Any) -> str:
        if bench.done:
            raise ToolException("this proposal has ended: nothing more is done")
        try:
            return spec.method(**arguments)
        except ToolRefusal as refusal:
            raise ToolException(str(refusal)) from refusal

    tool = StructuredTool.from_function(
        func=call, name=spec.name, description=spec.description, args_schema=spec.arguments
    )
    tool.handle_tool_error = True
    tool.handle_validation_error = lambda error: _explain(tool, error)
    return tool


def _explain(tool: BaseTool, error: ValidationError | Any) -> str:
    faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}" for fault in error.errors())
    return f"wrong arguments ({one_line(faults)}). Call {signature_text(tool)} with a JSON object."
