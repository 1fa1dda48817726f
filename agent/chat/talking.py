"""The nodes around a search: search begins it, talk answers and steers while it goes on, and after it.

A search is a process of its own: the chat watches it through its event log, and speaks to it through its control file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agent.chat.consulting import ask_about, caps_of_search
from agent.chat.context import ChatContext, can_think, standing
from agent.chat.state import ChatState
from agent.chat.telling import Search
from agent.chat.wishes import Wish, parse_wish
from agent.chat.wording import HELP, NEEDS_MODEL, NO_HINTS
from agent.errors import OutOfBudget, RunError
from agent.folder import write_atomically
from agent.steering import ask as ask_run
from agent.steering import steered_settings
from tools.errors import RequestError

_QUESTION = re.compile(r"(?:what|why|how|which|when|is|are|can|could|does|do|did|would|explain|tell me)\b", re.I)
_OVER = ("improved", "no_improvement")
TOLD = {
    "pause": "It holds after what it is doing; `go on` lets it go on.",
    "go_on": "It goes on.",
    "finish": "It ends after what it is doing: the best so far is confirmed.",
    "stop": "It stops after what it is doing; its state is kept.",
    "target": "It stops there.",
    "limit": "That is its bound from now on.",
    "hint": "Every prompt from now on says so.",
}

Answered = dict[str, Any]


def search(state: ChatState, runtime: Runtime[ChatContext]) -> Answered:
    """Begin a search, unless a chat that was killed has begun it already."""
    context = runtime.context
    number = state["searches"] + 1
    run = context.folder.run(number)
    begun = (run / "run.json").is_file() or context.searches.is_starting(run)
    if not begun:
        try:
            caps = caps_of_search(context, context.settings(state["changes"]))
        except OutOfBudget as error:
            context.say(f"{error}: say a higher cap, then `again`.")
            return {"stage": "talk"}
        words = {**context.words(state["changes"]), **caps}
        context.log.emit("search_begun", folder=run.name)
        context.searches.begin(run, context.folder.problem(state["name"]), words)
    context.say("The search begins. Say what you like in the meantime: help lists what I understand.")
    return {"stage": "talk", "searches": number}


def talk(state: ChatState, runtime: Runtime[ChatContext]) -> Answered:
    """One thing that is said while a search goes on, or afterwards."""
    context = runtime.context
    heard: dict[str, Any] = interrupt({"ask": "talk", "text": "", "run": str(context.run(state))})
    wish = parse_wish(str(heard.get("said", "")))
    answer = _ANSWERS[wish.kind]
    try:
        return {"stage": "talk", **answer(context, state, wish)}
    except (RequestError, RunError) as error:
        context.say(str(error))
        return {"stage": "talk"}


def _steer(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    """To the search that runs; one that was interrupted is taken up again by ``go on``."""
    run, how = context.run(state), standing(context, context.run(state))
    assert wish.steer is not None
    if how == "not_begun":
        if wish.steer in ("target", "limit"):
            return _for_the_next(context, state, wish)
        context.say("The search did not begin; `again` tries once more.")
    elif how in ("interrupted", "failed"):
        if wish.steer == "go_on":
            context.searches.resume(run)
            context.say("It is taken up again where it stood.")
        else:
            context.say("The search was interrupted; `go on` takes it up again.")
    elif how in _OVER:
        context.say("The search is over; `again` begins another one.")
        if wish.steer in ("target", "limit"):
            return _for_the_next(context, state, wish)
    elif how == "starting" and (run / "events.jsonl").exists():
        context.say("It is being taken up again: say that once it goes on.")
    else:
        _ask(context, run, wish.steer, **wish.what)
    return {}


def _ask(context: ChatContext, run: Path, kind: Any, **what: Any) -> None:
    """Raises RequestError for what makes no sense; a folder that is not made yet cannot be spoken to."""
    if not (run / "run.json").is_file():
        context.say("It has not begun yet: say that again in a moment.")
        return
    ask_run(run, kind, **what)
    context.say(TOLD[kind])


def _for_the_next(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    name = "target_speedup" if wish.steer == "target" else wish.what["limit"]
    value = wish.what["speedup"] if wish.steer == "target" else wish.what["value"]
    changes = {**state["changes"], name: int(value) if name in ("max_candidates", "max_tokens") else value}
    context.settings(changes).check()
    return {"changes": changes}


def _more(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    """So much on top of the bound; after the end, a new search of that size."""
    limit, amount = wish.what["limit"], wish.what["value"]
    run = context.run(state)
    if standing(context, run) in (*_OVER, "not_begun"):
        update = _for_the_next(context, state, Wish("steer", "limit", wish.what))
        return {**update, "stage": "search"}
    search_ = Search.read(run)
    settings = steered_settings(context.settings(state["changes"]), search_.ledger.all("steered"))
    wanted = Wish("steer", "limit", {"limit": limit, "value": getattr(settings, limit) + amount})
    return _steer(context, state, wanted)


def _again(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    if standing(context, context.run(state)) in (*_OVER, "not_begun"):
        return {"stage": "search"}
    context.say("The search is not over; 10 more candidates, or 5 more minutes, let it go on for longer.")
    return {}


def _explain(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    found = Search.read(context.run(state))
    node = found.find(wish.text)
    if node is None:
        context.say(f"There is no candidate {wish.text}." if wish.text else "Nothing was judged yet.")
        return {}
    if can_think(context.settings(state["changes"])):
        answer = ask_about(context, state, f"Explain candidate {node.id[:8]}.", found.facts(node.id))
        if answer is not None:
            context.say(answer)
            return {}
    context.say(found.explain(node))
    return {}


def _kernel(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    found = Search.read(context.run(state))
    node = found.best
    context.say("There is no kernel yet.") if node is None else context.say(found.source(node), "code")
    return {}


def _save(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    """The best so far into a file of the person's; nothing is written over."""
    found, path = Search.read(context.run(state)), Path(wish.text).expanduser()
    node = found.best
    if node is None:
        context.say("There is no kernel yet.")
        return {}
    if path.exists():
        raise RequestError(f"{path} is there already: give another name")
    try:
        write_atomically(path, found.source(node))
    except OSError as error:
        raise RequestError(f"cannot write {path}: {error.strerror}") from error
    held = any(data["holds"] and data["candidate"] == node.id for data in found.ledger.all("confirmed"))
    context.say(f"{node.id[:8]} is in {path}" + ("" if held else "; it is not confirmed yet") + ".")
    return {}


def _free(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    """What no rule knows: a question is answered by the model, all else is a hint to it."""
    if not wish.text:
        return {}
    question = wish.text.endswith("?") or _QUESTION.match(wish.text) is not None
    if not can_think(context.settings(state["changes"])):
        context.say(f"I do not understand that; {NEEDS_MODEL}." if question else f"{NO_HINTS}. `help` lists the rest.")
        return {}
    if not question:
        return _steer(context, state, Wish("steer", "hint", {"text": wish.text}))
    answer = ask_about(context, state, wish.text, Search.read(context.run(state)).facts(""))
    if answer is not None:
        context.say(answer)
    return {}


def _problem(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    context.say(context.folder.problem(state["name"]).read_text(encoding="utf-8"), "code")
    return {}


def _status(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    run = context.run(state)
    context.say(f"{standing(context, run).replace('_', ' ')}: {Search.read(run).status()}")
    return {}


def _why(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    context.say(Search.read(context.run(state)).attempts())
    return {}


def _lessons(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    context.say(Search.read(context.run(state)).lessons())
    return {}


def _help(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    context.say(HELP)
    return {}


def _close(context: ChatContext, state: ChatState, wish: Wish) -> Answered:
    return {"stage": "closed"}


_ANSWERS: dict[str, Callable[[ChatContext, ChatState, Wish], Answered]] = {
    "steer": _steer,
    "more": _more,
    "again": _again,
    "status": _status,
    "explain": _explain,
    "kernel": _kernel,
    "lessons": _lessons,
    "why": _why,
    "problem": _problem,
    "save": _save,
    "help": _help,
    "close": _close,
    "free": _free,
}
