"""One proposal: a tool-calling conversation with a model that ends in one candidate or a typed refusal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool

from agent.calling import Reply, call_model, never
from agent.chips import platform_of
from agent.conversation import transcript, within_budget
from agent.equipping import Equipped
from agent.errors import OutOfBudget, OutOfTime
from agent.failures import PromptTooLong
from agent.models.gate import Gate
from agent.prompts import render, system_prompt, task_prompt
from agent.rehearsing import Rehearsal, RehearsedJudge
from agent.windows import Budget
from memory.knowledge.base import KnowledgeBase
from memory.store import ExperienceStore
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.judge import Judge
from tools.problem import Description, Problem
from tools.problem_text import one_line
from tools.profiling.diagnosis import Diagnosis
from tools.standings import Standing
from tools.toolbox import make_tools, run_tool, signature_text, usage_text
from tools.workbench import NEEDS_LANGUAGE_MODEL, Workbench

TIME_IS_UP = "the time is up"
MAX_NUDGES = 2
"""Replies without a tool call in a row that are answered; the next one ends the proposal."""
MAX_JUDGE_FAILURES = 2
TIGHT_BUDGET_CHARS = 8_000
"""Of the conversation, once the model's context turned out to be small."""

_CODE_BLOCK = re.compile(r"^(`{3,})[ \t]*(?:python|py)?[ \t]*\r?\n(.*?)^\1[ \t]*$", re.M | re.S | re.I)


@dataclass(frozen=True)
class Attempt:
    """One candidate as the model may see it in its history."""

    candidate: str
    """Its id."""
    parent: str | None
    status: str
    """accepted | rejected | infrastructure_error | recalled"""
    reason: str | None
    speedup: float | None
    speedup_ci95: tuple[float, float] | None
    strategy: str
    """One line, from ``submit``."""
    lesson: str
    source_artifact: str


@dataclass(frozen=True)
class ProposalTask:
    """What one proposal is asked for, and what it may see."""

    round: int
    slot: int
    """0 to ``slots`` - 1: the place in this round."""
    slots: int
    parent: Attempt | None
    visible: tuple[Attempt, ...]
    """Decided by the policy; newest last."""
    recalled: tuple[Attempt, ...]
    """From memory, best first."""
    baselines: Mapping[str, float]
    """Name to seconds."""
    target: str
    language: str
    seed: int
    inspirations: tuple[Attempt, ...] = ()
    """Further candidates, shown in full: what is better in them may be taken over."""
    repeats: tuple[Attempt, ...] = ()
    """Earlier proposals from the same parent that turned out to be there already."""
    declined: tuple[str, ...] = ()
    """Why the latest proposals of earlier rounds that came to no candidate did, oldest first."""
    number: int | None = None
    """Of an independent sample: which one, counted over all rounds; it sees nothing and stands in no round."""
    diagnosis: str = ""
    """What limits the parent, as text; empty without one."""
    knowledge: tuple[str, ...] = ()
    """Names of documents that may help, best first."""
    standings: Mapping[str, Standing] = field(default_factory=dict)
    """Candidate id to what is known of it, of those it may see."""
    hints: tuple[str, ...] = ()
    """What the person at the run says, oldest first."""
    tuned: bool = True
    """Whether numbers that it leaves open are chosen by measuring."""
    profiled: bool = True
    """Whether a profiler may be asked."""
    budget: Budget = field(default_factory=Budget)
    """How much may be sent."""


@dataclass(frozen=True)
class Proposal:
    """How a proposal ended: with a candidate, or with a refusal of one line."""

    candidate: Candidate | None
    strategy: str
    refusal: str | None
    needs_language_model: bool
    """The proposer is too simple for this operator; another model may not be."""
    tokens: int
    cost_usd: float | None
    """None when any call's price is unknown."""
    model_calls: int
    tool_calls: int
    transcript: tuple[dict[str, Any], ...]
    capped: Literal["max_tokens", "max_cost"] | None = None
    """The cap that the next call might have gone beyond."""
    profile: Diagnosis | None = None
    """What a profiler said of the candidate, where the model asked one."""
    tools: tuple[dict[str, Any], ...] = ()
    """What it could call, as JSON schemas."""


def propose(
    task: ProposalTask,
    *,
    model: BaseChatModel,
    judge: Judge,
    problem: Problem,
    description: Description,
    store: ArtifactStore,
    memory: ExperienceStore | None,
    max_steps: int,
    emit: Callable[..., None],
    out_of_time: Callable[[], bool] = never,
    gate: Gate | None = None,
    knowledge: KnowledgeBase | None = None,
    past: Rehearsal | None = None,
) -> Proposal:
    """Let the model work until it submits, declines, gives up, or has used ``max_steps`` replies, time or money.

    A conversation that a kill cut off goes on where ``past`` ends. Whatever it answers, the result is
    a Proposal. Raises ModelUnavailable or ModelRejected when the model cannot be asked, JudgeUnavailable or
    SandboxError when the judge failed twice in a row.
    """
    bench = Workbench(
        judge=judge if past is None else RehearsedJudge(judge, past),
        problem=problem,
        description=description,
        store=store,
        baselines=task.baselines,
        language=task.language,
        rules=render("rules"),
        memory=memory,
        knowledge=knowledge,
        platform=platform_of(task.target),
        readable=_readable(task),
        standings=task.standings,
        judged=frozenset(attempt.candidate for attempt in task.visible),
        base=store.text(task.parent.source_artifact) if task.parent is not None else None,
    )
    tools = make_tools(bench, profiled=task.profiled)
    conversation = _Conversation(task, Equipped(model, tools), bench, max_steps, emit, out_of_time, gate, past)
    system = system_prompt(task.target, task.language, max_steps, tuned=task.tuned, profiled=task.profiled)
    room = task.budget.prompt_chars
    left = None if room is None else room - len(system)

    def tell(budget: int | None) -> HumanMessage:
        return HumanMessage(task_prompt(task, problem, description, store, knowledge, budget))

    conversation.tell = tell
    conversation.messages = [SystemMessage(system), tell(left)]
    conversation.run()
    return conversation.result()


def _readable(task: ProposalTask) -> dict[str, str]:
    parents = () if task.parent is None else (task.parent,)
    shown = (*task.recalled, *task.visible, *task.inspirations, *parents)
    return {one.candidate: one.source_artifact for one in shown}


@dataclass
class _Conversation:
    """The loop's state; one thread."""

    task: ProposalTask
    asked: Equipped
    bench: Workbench
    max_steps: int
    emit: Callable[..., None]
    out_of_time: Callable[[], bool]
    gate: Gate | None = None
    past: Rehearsal | None = None
    messages: list[BaseMessage] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    tool_calls: int = 0
    nudges: int = 0
    tight: bool = False
    tell: Callable[[int | None], HumanMessage] | None = None
    """The task in so many characters."""
    stopped: str = ""
    """Why the loop ended without the model's word, one line."""
    capped: Literal["max_tokens", "max_cost"] | None = None

    @property
    def tools(self) -> list[BaseTool]:
        """What the model may call."""
        return self.asked.tools

    def run(self) -> None:
        """Until the bench is done or there is no use in going on."""
        while not self.bench.done and not self.stopped:
            if len(self.replies) >= self.max_steps:
                self.stopped = f"no submission within {self.max_steps} replies"
                return
            if self.out_of_time():
                self.stopped = TIME_IS_UP
                return
            try:
                reply = self._ask()
            except OutOfTime:
                self.stopped = TIME_IS_UP
                return
            except OutOfBudget as error:
                self.stopped, self.capped = str(error), error.cap
                return
            except PromptTooLong as error:
                if len(self.messages) <= 2:
                    raise  # not even the task fits: no proposal ever will
                self.stopped = one_line(str(error))
                return
            self.messages.append(reply.message)
            if reply.message.tool_calls:
                self._answer_calls(reply)
            else:
                self._answer_text(reply)

    def result(self) -> Proposal:
        """What came of it. A compiled candidate is not thrown away because the model lost the thread."""
        bench = self.bench
        candidate, strategy, refusal = bench.submitted, bench.strategy, bench.declined
        if candidate is None and refusal is None:
            candidate = bench.compiled
            strategy = f"submitted as it stood: {self.stopped}" if candidate is not None else ""
            refusal = None if candidate is not None else f"no candidate: {self.stopped}"
        costs = [reply.whole_cost_usd for reply in self.replies]
        return Proposal(
            candidate=candidate,
            strategy=strategy,
            refusal=refusal,
            needs_language_model=refusal is not None and refusal.startswith(NEEDS_LANGUAGE_MODEL),
            tokens=sum(reply.tokens for reply in self.replies),
            cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
            model_calls=len(self.replies),
            tool_calls=self.tool_calls,
            transcript=transcript(self.messages),
            tools=tuple(self.asked.schemas),
            capped=self.capped,
            profile=None if candidate is None else bench.profiles.get(candidate.id),
        )

    def _ask(self) -> Reply:
        step = len(self.replies) + 1
        known = None if self.past is None else self.past.reply(step)
        if known is not None:
            self.replies.append(known)
            return known
        try:
            reply = self._call(step)
        except PromptTooLong:
            if self.tight:
                raise
            self.tight = True
            self._tell_less()
            reply = self._call(step)
        self.replies.append(reply)
        return reply

    def _tell_less(self) -> None:
        """The window is smaller than it was thought to be: the task anew, in half of its length."""
        if self.tell is not None:
            self.messages[1] = self.tell(len(self.messages[1].text) // 2)

    def _call(self, step: int) -> Reply:
        def emit(type_: str, **data: Any) -> None:
            self.emit(type_, **self._place(step), **data)

        keep = None if self.past is None else partial(self.past.keep, step)
        return call_model(self.asked, self._to_send(), step, emit, self.out_of_time, self.gate, keep)

    def _to_send(self) -> list[BaseMessage]:
        if self.tight:
            return within_budget(self.messages, min(TIGHT_BUDGET_CHARS, self.task.budget.conversation_chars))
        return within_budget(self.messages, self.task.budget.conversation_chars)

    def _place(self, step: int) -> dict[str, int]:
        return {"round": self.task.round, "slot": self.task.slot, "step": step}

    def _answer_calls(self, reply: Reply) -> None:
        faults = {one.call["id"]: one.fault for one in reply.malformed}
        for call in reply.message.tool_calls:
            fault = faults.get(call["id"])
            cut = reply.finish == "length"
            self.messages.append(self._run(call) if fault is None else self._explain(call, fault, cut=cut))
        if reply.dropped:
            last = self.messages[-1]
            said = f"{last.text}\n\nOnly the first {len(reply.message.tool_calls)} calls of your reply were carried out"
            self.messages[-1] = last.model_copy(update={"content": f"{said}; {reply.dropped} more were not."})
        self.nudges = 0

    def _run(self, call: ToolCall) -> ToolMessage:
        began = time.monotonic()
        answer = run_tool(self.tools, call)
        self.tool_calls += 1
        self._tell_call(call, ok=answer.status == "success", seconds=round(time.monotonic() - began, 4))
        if self.bench.failure is not None and self.bench.failures >= MAX_JUDGE_FAILURES:
            raise self.bench.failure
        return answer

    def _tell_call(self, call: ToolCall, *, ok: bool, seconds: float) -> None:
        step = len(self.replies)
        if self.past is None or not self.past.has(step + 1):  # else it was told before the run was cut off
            self.emit("tool_call", **self._place(step), name=call["name"], ok=ok, seconds=seconds)

    def _explain(self, call: ToolCall, fault: str, *, cut: bool) -> ToolMessage:
        self._tell_call(call, ok=False, seconds=0.0)
        self.tool_calls += 1
        by_name = {tool.name: tool for tool in self.tools}
        tool = by_name.get(call["name"])
        text = render(
            "malformed",
            fault=fault,
            cut=" Your reply was cut at its length limit: write a shorter file." if cut else "",
            signature=signature_text(tool) if tool is not None else "one of the tools",
            usage=usage_text(self.tools),
        )
        return ToolMessage(content=text, tool_call_id=str(call["id"]), name=call["name"], status="error")

    def _answer_text(self, reply: Reply) -> None:
        """A reply without tool calls: take a file out of it if there is one, else ask for tools."""
        names = ", ".join(tool.name for tool in self.tools)
        source = candidate_in_text(reply.message.text)
        before = self.bench.draft
        if source is not None:
            written = self._run(_own_call("write_candidate", {"source": source}, len(self.replies)))
            if self.bench.draft != before:
                self.nudges = 0
                compiled = self._run(_own_call("compile_candidate", {}, len(self.replies)))
                text = render("taken", written=written.text, compiled=compiled.text, tools=names)
                self.messages.append(HumanMessage(text))
                return
        self.nudges += 1
        if self.nudges > MAX_NUDGES:
            self.stopped = f"{self.nudges} replies in a row called no tool"
            return
        self.messages.append(HumanMessage(render("nudge", tools=names)))


def _own_call(name: str, arguments: dict[str, Any], step: int) -> ToolCall:
    return ToolCall(name=name, args=arguments, id=f"text_{step}_{name}", type="tool_call")


def candidate_in_text(text: str) -> str | None:
    """The last Python code block that defines ``class ModelNew``, or None."""
    blocks = [match.group(2) for match in _CODE_BLOCK.finditer(text)]
    return next((block for block in reversed(blocks) if "class ModelNew" in block), None)
