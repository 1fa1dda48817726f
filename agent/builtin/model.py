"""The builtin model: a chat model that reads an operator's graph and writes C++ or Triton for it, with no key and no
network.

It holds no state. Everything it knows it reads from the conversation, as a language model would: the task text, the
graph that ``read_graph`` returned, the attempts and how fast they were.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolCall, ToolMessage

from agent.builtin.lowering import Unsupported
from agent.builtin.plan import Choices, Plan
from agent.builtin.program import generate
from agent.builtin.triton_plan import TRITON, TritonPlan
from agent.builtin.triton_program import generate_triton
from agent.builtin.tuning import CPP, Space, next_plan, parse_attempts
from agent.scripted import Script, ScriptedChatModel

NEEDS_MODEL = "this operator needs a language model"
MOST_OUTSIDE = 2
"""Plans that lead to no program, after which no other is tried: the second one is that with matrix products of its own,
which some operators need.
"""
MUCH_BYTES = 1 << 22
"""Results at least this large are first tried with non-temporal stores."""
SPACES: dict[str, Space] = {"cpp": CPP, "triton": TRITON}
"""The languages it writes, and what it varies in each."""
UNFORESEEN = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError, RecursionError)
"""What a form of an operator that no handler foresaw may lead to: a refusal like any other, not the run's end."""


class BuiltinChatModel(ScriptedChatModel):
    """Makes the tool calls a language model would: read_graph, write_candidate, compile_candidate, submit."""

    script: Script = lambda messages: respond(messages)

    @property
    def _llm_type(self) -> str:
        return "builtin"


def respond(messages: list[BaseMessage]) -> AIMessage:
    """The next reply in a conversation."""
    answers = {m.tool_call_id: m for m in messages if isinstance(m, ToolMessage)}
    calls = [c for m in messages if isinstance(m, AIMessage) for c in m.tool_calls]
    done = {c["name"]: answers.get(c["id"] or "") for c in calls}
    task = next((m.text for m in messages if m.type == "human"), "")
    if _language(task) not in SPACES:
        told = "the builtin model writes C++ and Triton only: choose --language cpp or triton"
        return _call(len(calls), "decline", reason=told)
    if "read_graph" not in done:
        return _call(len(calls), "read_graph")
    if "write_candidate" not in done:
        graph = done["read_graph"]
        return _write(len(calls), task, graph.text if graph else "")
    if (written := done["write_candidate"]) is not None and written.status == "error":
        told = f"its program is refused: {_first_line(written.text)}"
        return _call(len(calls), "decline", reason=f"{NEEDS_MODEL}: {told}")
    compiled = done.get("compile_candidate")
    if compiled is None:
        return _call(len(calls), "compile_candidate")
    if compiled.status == "error":
        return _call(len(calls), "decline", reason=f"the generated code was refused: {_first_line(compiled.text)}")
    source = next(c for c in calls if c["name"] == "write_candidate")["args"]["source"]
    return _call(len(calls), "submit", strategy=_strategy(source))


def _language(task: str) -> str:
    found = re.search(r"\blanguage=(\w+)", task)
    return found.group(1) if found else ""


def _write(step: int, task: str, graph_text: str) -> AIMessage:
    try:
        graph = json.loads(graph_text)
    except json.JSONDecodeError:
        return _call(step, "decline", reason=f"{NEEDS_MODEL}: {_first_line(graph_text)}")
    sections = _sections(task)
    place = dict(re.findall(r"(\w+)=(\S+)", sections["Task"].splitlines()[0]))
    threads = int(found.group(1)) if (found := re.search(r"; (\d+) threads", sections["Cases"])) else 1
    source = _fenced(sections["Problem"])

    outside: list[Unsupported] = []
    inside: list[Choices] = []

    @functools.cache
    def program(plan: Choices) -> str:
        if isinstance(plan, TritonPlan):
            return generate_triton(graph, source, plan)
        assert isinstance(plan, Plan)
        return generate(graph, source, plan, threads)

    def text_of(plan: Choices) -> str | None:
        try:
            text = program(plan).replace(str(plan), "")
        except Unsupported as error:
            outside.append(error)
            if len(outside) == MOST_OUTSIDE and not inside:
                raise outside[0] from error
            return None
        inside.append(plan)
        return text

    space, much = SPACES[place["language"]], _writes_much(sections["Cases"])
    attempts, recalled = (parse_attempts(sections[name], space.default) for name in ("Attempts", "Recalled"))
    parent, mate, *_ = [*(t.id for t in parse_attempts(sections["Parent"])), None, None]
    try:
        plan = next_plan(attempts, recalled, parent, int(place["slot"]), much, text_of, space, mate)
        if plan is None and outside and not inside:
            raise outside[0]
        if plan is None:
            return _call(step, "decline", reason="every variation within reach was tried")
        return _call(step, "write_candidate", source=program(plan))
    except Unsupported as outside:
        return _call(step, "decline", reason=f"{NEEDS_MODEL}: {outside}")
    except UNFORESEEN as error:
        told = f"{type(error).__name__}: {_first_line(str(error))}"
        return _call(step, "decline", reason=f"{NEEDS_MODEL}: the builtin model cannot read it ({told})")


def _strategy(source: str) -> str:
    """One line: the plan, and the sizes of what was generated."""
    plan = re.search(r"^# (plan .*)$", source, re.MULTILINE)
    nests = len(re.findall(r"^(?:static void|def) k\d+(?:_0)?\(", source, re.MULTILINE))
    calls = len(re.findall(r"^        torch\.\w+\(.*out=|^        mem\d+ = torch\.b?mm\(", source, re.MULTILINE))
    parts = [f"{nests} fused loop nest{'s' if nests != 1 else ''}"] + ([f"{calls} BLAS calls"] if calls else [])
    return f"{', '.join(parts)}; {plan.group(1) if plan else ''}"


def _writes_much(cases: str) -> bool:
    outputs = re.search(r"-> (.*?); \d+ bytes", cases)
    total = 0
    for shape in re.findall(r"\w+\[([\d, ]*)\]", outputs.group(1)) if outputs else []:
        count = 1
        for size in re.findall(r"\d+", shape):
            count *= int(size)
        total += count * 4
    return total >= MUCH_BYTES


def _sections(task: str) -> dict[str, str]:
    """The task text by its headings; the last section runs to the end, whatever it holds."""
    names = (
        "Task",
        "Cases",
        "Baselines",
        "Attempts",
        "Recalled",
        "Hints",
        "Diagnosis",
        "Knowledge",
        "Parent",
        "Problem",
    )
    starts = []
    at = 0
    for name in names:
        found = re.compile(rf"^## {name}\n", re.MULTILINE).search(task, at)
        if found:
            starts.append((name, found.start(), found.end()))
            at = found.end()
    ends = [start for _, start, _ in starts[1:]] + [len(task)]
    found_sections = {name: task[begin:end] for (name, _, begin), end in zip(starts, ends, strict=True)}
    return {name: found_sections.get(name, "") for name in names}


def _fenced(section: str) -> str:
    """The code block of a section."""
    found = re.search(r"^(```+)\w*\n(.*)^\1\s*$", section, re.MULTILINE | re.DOTALL)
    return found.group(2) if found else ""


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no answer"])[0][:300]


def _call(step: int, name: str, **args: Any) -> AIMessage:
    return AIMessage(content="", tool_calls=[ToolCall(name=name, args=args, id=f"builtin_{step}", type="tool_call")])
