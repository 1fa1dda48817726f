"""One question to the language model, under a budget, answered through one tool; None when there is no usable answer.

Whoever asks has an answer by rule already: nothing that goes wrong here may cost more than the question.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, ValidationError

from agent.calling import Reply, call_model
from agent.deps import Deps
from agent.equipping import Equipped
from agent.errors import ModelError, OutOfBudget, OutOfTime
from agent.rendering import render
from agent.windows import CHARS_A_TOKEN
from tools.problem_text import one_line

ANSWER = "answer"
"""The tool's name."""
LOCAL = ("builtin",)
"""Models that answer no questions."""
REPLY_TOKENS = 1_200
"""Of the budget, kept for the answer."""

Place = tuple[int, int | None]
"""Round and slot that a question belongs to; no slot for what is asked between proposals."""

Answer = TypeVar("Answer", bound=BaseModel)


def may_ask(deps: Deps) -> bool:
    """Whether a person allowed it, there is a model that can answer, and the run's own budget has room."""
    settings = deps.settings
    if settings.analysis != "model" or {*deps.roster.names} <= {*LOCAL}:
        return False
    used = deps.ledger.usage().tokens
    max_tokens = deps.bounds.max_tokens
    return max_tokens is None or used + settings.analysis_tokens <= max_tokens


def room_for_question(deps: Deps) -> int:
    """Characters a question may have."""
    return max(0, deps.settings.analysis_tokens - REPLY_TOKENS) * CHARS_A_TOKEN


def ask_model(deps: Deps, role: str, question: str, form: type[Answer], place: Place) -> Answer | None:
    """Ask; ``form`` is what the answer has to be, and the tool's arguments."""
    round_, slot = place
    name = deps.roster.choose(deps.ledger, round_=round_, slot=slot or 0, seed=deps.settings.seed)
    if name in LOCAL:
        return None
    tool = answer_tool(form)
    messages: list[BaseMessage] = [SystemMessage(render("analyst", tool=tool.name)), HumanMessage(question)]
    emit = _told(deps, role=role, model=name, round=round_, slot=slot, step=0)
    try:
        model, gate = bounded(deps.roster.models[name]), deps.roster.gates[name]
        reply = call_model(Equipped(model, [tool]), messages, 1, emit, _clock(deps), gate)
    except (ModelError, OutOfTime, OutOfBudget) as error:
        deps.emit("notice", text=f"{role} by rule: {error}")
        return None
    found = answer_in(reply, form)
    if found is None:
        deps.emit("notice", text=f"{role} by rule: the model's answer is of no use")
    return found


def answer_tool(form: type[BaseModel]) -> BaseTool:
    """The one tool by which a model answers."""
    return StructuredTool.from_function(
        func=lambda **_: "", name=ANSWER, description=one_line(form.__doc__ or ""), args_schema=form
    )


def bounded(model: BaseChatModel, tokens: int = REPLY_TOKENS) -> BaseChatModel:
    """The same model with shorter replies, where it can be told so."""
    if "max_tokens" not in type(model).model_fields:
        return model
    return model.model_copy(update={"max_tokens": tokens})


def answer_in(reply: Reply, form: type[Answer]) -> Answer | None:
    """What a reply answers, by the tool or as plain JSON; None where that is of no use."""
    bad = {one.call["id"] for one in reply.malformed}
    given: list[Any] = [
        call["args"] for call in reply.message.tool_calls if call["name"] == ANSWER and call["id"] not in bad
    ]
    found = re.search(r"\{.*\}", reply.message.text, re.S)
    if found:  # models that call no tools answer with the object itself
        with suppress(ValueError, RecursionError):
            given.append(json.loads(found.group()))
    for data in given:
        try:
            return form.model_validate(data)
        except ValidationError:
            continue
    return None


def _told(deps: Deps, **about: Any) -> Callable[..., None]:
    def emit(type_: str, **data: Any) -> None:
        deps.emit(type_, **(about if type_ in ("model_asked", "model_call") else {}), **data)

    return emit


def _clock(deps: Deps) -> Any:
    def out_of_time() -> bool:
        deps.steering.look()
        return deps.out_of_time()

    return out_of_time
