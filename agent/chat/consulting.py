"""A language model asked by a chat, for a problem file or for an answer: under the caps, counted in the chat's log.

A chat keeps a tenth of every cap for itself; its searches share the rest. So both may ask at the same time.
"""

from __future__ import annotations

from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from pydantic import BaseModel, Field

from agent.calling import call_model, never
from agent.chat.context import SHARE, ChatContext
from agent.chat.state import ChatState
from agent.equipping import Equipped
from agent.errors import ModelError, OutOfBudget, OutOfTime
from agent.events import read_events
from agent.ledger import Ledger
from agent.models.opening import make_models, open_roster
from agent.models.waiting import Clock
from agent.rendering import render
from agent.settings import AgentSettings
from agent.subagents.asking import ANSWER, LOCAL, answer_in, answer_tool, bounded

REPLY_TOKENS = 4_000
Form = TypeVar("Form", bound=BaseModel)


class ProblemFile(BaseModel):
    """The problem file, or what has to be asked first."""

    source: str = Field(default="", description="the whole Python file; empty where something has to be asked first")
    question: str = Field(default="", description="one short question; empty where the file is complete")


class Said(BaseModel):
    """The answer."""

    text: str = Field(description="a few plain sentences")


def ask_for_problem(context: ChatContext, state: ChatState, text: str) -> ProblemFile | None:
    """The problem that somebody describes, or a question; None, with the reason said, where there is no answer."""
    return _ask(context, state, render("chat_problem", tool=ANSWER), text, ProblemFile)


def ask_about(context: ChatContext, state: ChatState, question: str, facts: str) -> str | None:
    """The answer to a question about a search; None, with the reason said, where there is none."""
    found = _ask(context, state, render("chat_answer", tool=ANSWER), f"{question}\n\n{facts}", Said)
    return None if found is None else found.text


def caps_of_search(context: ChatContext, settings: AgentSettings) -> dict[str, Any]:
    """The caps that a new search gets: the searches' share, less what earlier ones of this chat took.

    Raises OutOfBudget where nothing is left.
    """
    earlier = [Ledger(read_events(run / "events.jsonl")).usage() for run in context.folder.runs()]
    caps: dict[str, Any] = {}
    if settings.max_tokens is not None:
        left = int(settings.max_tokens * (1 - SHARE)) - sum(one.tokens for one in earlier)
        if left < 1:
            raise OutOfBudget("max_tokens", f"nothing is left of --max-tokens {settings.max_tokens}")
        caps["max_tokens"] = left
    if settings.max_cost is not None:
        left_usd = settings.max_cost * (1 - SHARE) - sum(one.cost_usd or 0.0 for one in earlier)
        if left_usd <= 0:
            raise OutOfBudget("max_cost", f"nothing is left of --max-cost {settings.max_cost:g}")
        caps["max_cost"] = round(left_usd, 6)
    return caps


def _ask(context: ChatContext, state: ChatState, system: str, text: str, form: type[Form]) -> Form | None:
    settings = context.settings(state["changes"])
    name = next(one for one in settings.models if one not in LOCAL)
    own = settings.model_copy(
        update={
            "max_tokens": None if settings.max_tokens is None else max(1, int(settings.max_tokens * SHARE)),
            "max_cost": None if settings.max_cost is None else settings.max_cost * SHARE,
        }
    )

    def emit(type_: str, **data: Any) -> None:
        whose = {"model": name, "role": "chat"} if type_ in ("model_asked", "model_call") else {}
        context.log.emit(type_, **whose, **data)

    try:
        model = _short(context.model or make_models(settings)[name])
        roster = open_roster({name: model}, own, context.ledger, context.log, Clock())
        messages = [SystemMessage(system), HumanMessage(text)]
        reply = call_model(Equipped(model, [answer_tool(form)]), list(messages), 1, emit, never, roster.gates[name])
    except (ModelError, OutOfTime, OutOfBudget) as error:
        context.say(f"The model could not be asked: {error}")
        return None
    found = answer_in(reply, form)
    if found is None:
        context.say("The model's answer is of no use; say it in other words.")
    return found


def _short(model: BaseChatModel) -> BaseChatModel:
    """With replies that fit into a chat's share, by what is asked of the server and by what is feared."""
    known = (model.metadata or {}).get("max_reply_tokens")
    tokens = min(REPLY_TOKENS, known or REPLY_TOKENS)
    shorter = bounded(model, tokens)
    return shorter.model_copy(update={"metadata": {**(model.metadata or {}), "max_reply_tokens": tokens}})
