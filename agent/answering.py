"""A model asked once, as a person without an agent would: one prompt, one reply, no tool and no feedback.

What evaluations set the agent beside. Such a proposal sees nothing but the problem, its baselines and what holds for
every candidate on the chip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from agent.calling import Reply, call_model, never
from agent.conversation import transcript
from agent.equipping import Equipped
from agent.errors import OutOfBudget, OutOfTime
from agent.models.gate import Gate
from agent.prompts import single_prompt, task_prompt
from agent.proposing import TIME_IS_UP, Proposal, ProposalTask, candidate_in_text
from agent.rehearsing import Rehearsal
from memory.knowledge.base import KnowledgeBase
from memory.store import ExperienceStore
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.judge import Judge
from tools.problem import Description, Problem

NO_FILE = "no candidate: the reply holds no Python code block with class ModelNew"


def answer_once(
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
    """The last code block of the model's reply, as it stands. Neither judge nor memory nor knowledge has a part in it.

    Raises ModelUnavailable or ModelRejected when the model cannot be asked.
    """
    bare = replace(task, parent=None, visible=(), recalled=(), inspirations=(), repeats=(), diagnosis="", knowledge=())
    system, room = single_prompt(task.target, task.language), task.budget.prompt_chars
    left = None if room is None else room - len(system)
    text = task_prompt(bare, problem, description, store, None, left)
    messages: list[BaseMessage] = [SystemMessage(system), HumanMessage(text)]
    reply = None if past is None else past.reply(1)
    if reply is None:
        try:
            reply = _ask(task, model, messages, emit, out_of_time, gate, past)
        except OutOfTime:
            return _proposal(None, TIME_IS_UP, messages, None)
        except OutOfBudget as error:
            return _proposal(None, str(error), messages, error.cap)
    return _proposal(reply, NO_FILE, [*messages, reply.message], None, language=task.language)


def _ask(
    task: ProposalTask,
    model: BaseChatModel,
    messages: list[BaseMessage],
    emit: Callable[..., None],
    out_of_time: Callable[[], bool],
    gate: Gate | None,
    past: Rehearsal | None,
) -> Reply:
    def tell(type_: str, **data: Any) -> None:
        emit(type_, round=task.round, slot=task.slot, step=1, **data)

    keep = None if past is None else partial(past.keep, 1)
    return call_model(Equipped(model), messages, 1, tell, out_of_time, gate, keep)


def _proposal(
    reply: Reply | None,
    otherwise: str,
    messages: list[BaseMessage],
    cap: Literal["max_tokens", "max_cost"] | None,
    *,
    language: str = "",
) -> Proposal:
    """``otherwise``: why there is no candidate, where there is none."""
    source = None if reply is None else candidate_in_text(reply.message.text)
    return Proposal(
        candidate=None if source is None else Candidate(source=source, language=language),
        strategy="" if source is None else "asked once",
        refusal=otherwise if source is None else None,
        needs_language_model=False,
        tokens=0 if reply is None else reply.tokens,
        cost_usd=0.0 if reply is None else reply.whole_cost_usd,
        model_calls=int(reply is not None),
        tool_calls=0,
        transcript=transcript(messages),
        capped=cap,
    )
