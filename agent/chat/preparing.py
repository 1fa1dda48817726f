"""The nodes before a search: understand, consult, ask, check, confirm, approve.

A node that asks does so first of all: it begins anew when the answer is there, or after a kill.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from agent.chat.consulting import ask_for_problem
from agent.chat.context import ChatContext, can_think, paid_models
from agent.chat.reading import Operator, Unreadable, bare, parse, read_operator
from agent.chat.shapes import parse_shapes
from agent.chat.state import ChatState, Stage
from agent.chat.wishes import is_no, is_yes, parse_changes, parse_wish
from agent.chat.wording import (
    GREETING,
    HELP,
    NEEDS_MODEL,
    facts_of,
    inputs_text,
    question_of,
    spending_text,
    summary_text,
)
from agent.chat.words import read_words
from agent.chat.writing import Inputs, problem_text
from agent.folder import write_atomically
from tools.errors import RequestError
from tools.problem import Problem, load_problem

Context = Runtime[ChatContext]
AGAIN = "Say what is to be changed (shapes, a dtype), paste the operator anew, or quit."


def understand(state: ChatState, runtime: Context) -> dict[str, Any]:
    """What was pasted or named, as an operator. Writes ``operator``, ``inputs``, ``name``."""
    context = runtime.context
    said = state["said"] or _hear({"ask": "operator", "text": GREETING})
    done = _leaving(context, said)
    if done is not None:
        return {"said": "", **done}
    name, text = state["name"], said
    try:
        if _is_path(said):
            name, text = Path(said.strip()).stem, load_code(Path(said.strip()).expanduser())
        operator = _read(text)
    except RequestError as error:
        context.say(str(error))
        return {"stage": "understand", "said": ""}
    except Unreadable as error:
        return _not_understood(context, state, said, str(error))
    return {"said": "", "name": name, **_new(operator, text)}


def load_code(path: Path) -> str:
    """The text of a file of the user's. Raises RequestError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is no text"
        raise RequestError(f"cannot read {path}: {told}") from error


def _new(operator: Operator, text: str) -> dict[str, Any]:
    """An operator that was understood, with what was said of its inputs at once."""
    inputs = Inputs()
    if operator.derived is not None:
        inputs.take(operator, parse_shapes(text))  # "a" is a word here
    stage: Stage = "ask" if inputs.missing(operator) else "check"
    return {"operator": operator.to_json(), "inputs": inputs.to_json(), "stage": stage, "fault": ""}


def _read(text: str) -> Operator:
    """As code, else as words. Raises Unreadable with what is wrong with it as what it looks like."""
    try:
        return read_operator(text)
    except Unreadable as not_code:
        if looks_like_code(text):
            raise Unreadable(f"as Python it cannot be read: {not_code}") from not_code
        return read_words(text)


def looks_like_code(text: str) -> bool:
    """Several lines, or something that only code has."""
    return "\n" in text.strip() or any(mark in text for mark in ("def ", "class ", "import ", "torch.", "):"))


def _is_path(said: str) -> bool:
    text = said.strip()
    return "\n" not in text and text.endswith(".py")


def _not_understood(context: ChatContext, state: ChatState, said: str, why: str) -> dict[str, Any]:
    settings = context.settings(state["changes"])
    if not can_think(settings):
        context.say(f"I cannot make an operator of that: {why}. Paste code; or {NEEDS_MODEL}.")
        return {"stage": "understand", "said": ""}
    unpaid = state["approved"] or not paid_models(settings)
    return {"said": said, "operator": None, "stage": "consult" if unpaid else "approve", "after": "consult"}


def consult(state: ChatState, runtime: Context) -> dict[str, Any]:
    """The model makes a problem file of what was said, or asks. Writes ``operator``, or ``fault`` with its question."""
    context = runtime.context
    if not can_think(context.settings(state["changes"])):
        return _not_understood(context, state, state["said"], "spending was refused")
    found = ask_for_problem(context, state, state["said"])
    if found is None:
        return {"stage": "understand", "said": ""}
    if found.question.strip() and not found.source.strip():
        return {"stage": "ask", "fault": found.question.strip()}
    try:
        source = bare(found.source)
        parse(source)
        operator = read_operator(source)
    except Unreadable as error:
        context.say(f"The model's file cannot be read: {error}.")
        return {"stage": "understand", "said": ""}
    context.say(source, "code")
    return {"said": "", **_new(operator, "")}


def ask(state: ChatState, runtime: Context) -> dict[str, Any]:
    """Ask what cannot be found out: shapes, dtypes, values; which chip, where there are several."""
    context = runtime.context
    operator = None if state["operator"] is None else Operator.from_json(state["operator"])
    inputs = Inputs.from_json(state["inputs"])
    if operator is None or state["fault"]:
        question = state["fault"]
    else:
        question = question_of(operator, inputs.missing(operator)) if inputs.missing(operator) else _chips(context)
    said = _hear({"ask": "inputs", "text": question})
    done = _leaving(context, said)
    if done is not None:
        return done
    if operator is None:
        return {"said": f"{state['said']}\n\n{state['fault']}\n{said}", "fault": "", "stage": "consult"}
    if looks_like_code(said) or _is_path(said):
        return {"said": said, "stage": "understand", "fault": ""}
    update = _changed(context, state, operator, inputs, said)
    if update is None:
        context.say("I could not read that: write shapes like 4096x4096 bf16, or batch 32 seq 128 dim 512.")
        return {"stage": "ask"}
    return update


def _chips(context: ChatContext) -> str:
    here = ", ".join(context.local_chips())
    return f"Which chip is it for: cpu, or cuda ({here})?"


def _changed(
    context: ChatContext, state: ChatState, operator: Operator, inputs: Inputs, said: str
) -> dict[str, Any] | None:
    """What a text changes, of the inputs and of the settings; None where it changes nothing."""
    names = (*operator.tensors, *operator.scalars, *operator.settings)
    stated, changes = parse_shapes(said, names), parse_changes(said)
    if changes and not (stated.named or stated.dtype or stated.values):
        stated.unnamed = []  # the number belongs to the setting
    told = not stated.is_empty and operator.form != "problem"
    if not told and not changes:
        return None
    update: dict[str, Any] = {"changes": {**state["changes"], **changes}, "fault": ""}
    try:
        context.settings(update["changes"]).check()
    except RequestError as error:
        context.say(str(error))
        update["changes"] = state["changes"]
    if told:
        inputs.take(operator, stated)
        update["inputs"] = inputs.to_json()
    moved = told or "target" in changes
    missing = inputs.missing(operator)
    return {**update, "stage": "ask" if missing else "check" if moved else "confirm"}


def check(state: ChatState, runtime: Context) -> dict[str, Any]:
    """Write the problem file, and run its reference once in a sandbox. Writes ``facts``, or ``fault``."""
    context = runtime.context
    assert state["operator"] is not None
    operator, inputs = Operator.from_json(state["operator"]), Inputs.from_json(state["inputs"])
    if "target" not in context.words(state["changes"]) and context.local_chips():
        return {"stage": "ask", "fault": _chips(context)}
    name = state["name"] or operator.name
    path = context.folder.problem(name)
    write_atomically(path, problem_text(operator, inputs))
    context.say("Running it once in a sandbox ...")
    try:
        problem = load_problem(path)
        found = context.check(Problem(name, problem.source), context.settings(state["changes"]))
    except RequestError as error:
        return {"stage": "ask", "name": name, "fault": f"It does not run as it stands: {error}\n{AGAIN}"}
    facts = facts_of(found)
    if operator.form != "problem":
        facts = [f"inputs     {inputs_text(operator, inputs)}", *facts]
    return {"stage": "confirm", "name": name, "facts": facts, "fault": ""}


def confirm(state: ChatState, runtime: Context) -> dict[str, Any]:
    """Show the problem as it was understood; go on with a yes, or with what is to be changed."""
    context = runtime.context
    assert state["operator"] is not None
    operator, inputs = Operator.from_json(state["operator"]), Inputs.from_json(state["inputs"])
    said = _hear(
        {"ask": "confirm", "text": summary_text(state["name"], state["facts"], context.settings(state["changes"]))}
    )
    if is_yes(said):
        paid = paid_models(context.settings(state["changes"]))
        return {"stage": "approve" if paid and not state["approved"] else "search", "after": "search"}
    if is_no(said):
        return {"stage": "ask", "fault": AGAIN}
    done = _leaving(context, said)
    if done is not None:
        return done
    if parse_wish(said).kind in ("problem", "kernel"):
        context.say(context.folder.problem(state["name"]).read_text(encoding="utf-8"), "code")
        return {"stage": "confirm"}
    if looks_like_code(said) or _is_path(said):
        return {"said": said, "stage": "understand"}
    update = _changed(context, state, operator, inputs, said)
    if update is None:
        own = operator.form == "problem" and not parse_shapes(said).is_empty
        why = "the file itself says its shapes and dtypes: paste it changed" if own else "hints are for the search"
        context.say(f"I did not understand that; {why}.")
        return {"stage": "confirm"}
    return update


def approve(state: ChatState, runtime: Context) -> dict[str, Any]:
    """Before anything is paid for: prices, caps, and a yes."""
    context = runtime.context
    settings = context.settings(state["changes"])
    usage = context.ledger.usage()
    spent = f"{usage.tokens:,} tokens" if usage.tokens else ""
    said = _hear({"ask": "approve", "text": spending_text(settings, paid_models(settings), spent)})
    if is_yes(said):
        return {"stage": state["after"], "approved": True}
    if is_no(said):
        context.say("Nothing is spent: the builtin model goes on alone.")
        return {"stage": state["after"], "changes": {**state["changes"], "model": "builtin"}}
    done = _leaving(context, said)
    if done is not None:
        return done
    changes = {**state["changes"], **parse_changes(said)}
    try:
        context.settings(changes).check()
    except RequestError as error:
        context.say(str(error))
        return {"stage": "approve"}
    still = paid_models(context.settings(changes))
    return {"stage": "approve" if still else state["after"], "changes": changes}


def _leaving(context: ChatContext, said: str) -> dict[str, Any] | None:
    """Help and goodbye, which are understood everywhere."""
    kind = parse_wish(said).kind
    if kind == "help":
        context.say(HELP)
        return {}
    return {"stage": "closed"} if kind == "close" else None


def _hear(question: dict[str, Any]) -> str:
    """What the person answers."""
    heard: dict[str, Any] = interrupt(question)
    return str(heard.get("said", ""))
