"""research: turns what is known of a proposal's parent into look-ups in knowledge and memory, for its prompt.

By rule; a language model may refine the question where the settings allow it. A function of stored facts: its result
is the event ``researched``, written once a slot, so that a resumed run shows the same prompt.
"""

from __future__ import annotations

import functools
from dataclasses import asdict
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel, ConfigDict, Field

from agent.composing import Part, fit
from agent.deps import Deps
from agent.diagnosing import diagnosis_text
from agent.nodes.recall import BUILTIN, to_recalled
from agent.questions import BREAKS, MOST_WORDS, knowledge_question, memory_question, phase_of
from agent.rendering import render
from agent.state import PickState
from agent.subagents.asking import ask_model, may_ask, room_for_question
from agent.subagents.running import run_graph
from memory.errors import StoreError
from memory.knowledge.base import KnowledgeQuery
from memory.knowledge.documents import Bottleneck
from tools.problem import Description
from tools.problem_text import one_line

MOST_MEMORIES = 2
ASKED_MEMORIES = 12
RECENT = 6
"""Attempts that a model is told of when it refines a question."""


class ResearchState(TypedDict):
    """One slot on its way through the graph."""

    pick: PickState
    question: dict[str, Any]
    """``KnowledgeQuery`` as JSON."""
    words: str
    """For the memory."""
    author: str


class ResearchAnswer(BaseModel):
    """Say what to look for among documents on kernels."""

    model_config = ConfigDict(extra="ignore")

    bottleneck: Bottleneck | None = Field(
        default=None, description="What the next candidate has to overcome, if known."
    )
    words: str = Field(min_length=1, description="A few words: methods, instructions, symptoms.")


def build_research() -> StateGraph[ResearchState, Deps]:
    """The uncompiled graph."""
    builder = StateGraph(ResearchState, context_schema=Deps)
    for node in (ask, refine, look_up):
        builder.add_node(node.__name__, node)
    builder.add_edge(START, "ask")
    builder.add_conditional_edges("ask", _who, ["refine", "look_up"])
    builder.add_edge("refine", "look_up")
    builder.add_edge("look_up", END)
    return builder


def research(deps: Deps, pick: PickState) -> dict[str, Any]:
    """The ``researched`` data of a slot, found out now unless it was before."""
    place = pick["round"], pick["slot"]
    known = deps.ledger.find("researched", *place)
    if known is None:
        run_graph(_compiled(), ResearchState(pick=pick, question={}, words="", author="rule"), deps)
        known = deps.ledger.find("researched", *place)
        assert known is not None
    return known


def ask(state: ResearchState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """The question by rule."""
    deps, pick = runtime.context, state["pick"]
    seen = [*pick["visible"], *([] if pick["parent"] is None else [pick["parent"]])]
    statuses = [(deps.ledger.find("judged", name) or {"verdict": {}})["verdict"].get("status", "") for name in seen]
    told = [data for _, data in _diagnoses(deps, pick)]
    settings = deps.settings
    operators = Description.model_validate_json(deps.store.get(pick["description"])).operators
    question = knowledge_question(settings.target, settings.language, operators, phase_of(statuses), told)
    return {"question": asdict(question), "words": memory_question(question, told)}


def _who(state: ResearchState, runtime: Runtime[Deps]) -> Literal["refine", "look_up"]:
    # Before anything was judged there is nothing to refine a question by.
    return "refine" if state["pick"]["visible"] and may_ask(runtime.context) else "look_up"


def refine(state: ResearchState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """The question as a language model puts it; the rule's stays where it has no usable answer."""
    deps, place = runtime.context, (state["pick"]["round"], state["pick"]["slot"])
    answer = ask_model(deps, "research", _question(deps, state), ResearchAnswer, place)
    if answer is None:
        return {}
    words = one_line(answer.words, MOST_WORDS)
    question = {**state["question"], "text": words}
    if answer.bottleneck is not None:
        question["bottlenecks"] = (answer.bottleneck,)
    return {"question": question, "words": words, "author": "model"}


def look_up(state: ResearchState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Ask both, and write down what they answered."""
    deps, pick = runtime.context, state["pick"]
    query = KnowledgeQuery(**state["question"])
    found = [] if deps.knowledge is None else deps.knowledge.find(query)
    deps.once(
        "researched",
        pick["round"],
        pick["slot"],
        round=pick["round"],
        slot=pick["slot"],
        author=state["author"],
        question={"bottlenecks": list(query.bottlenecks), "operators": list(query.operators), "phase": query.phase,
                  "text": query.text},
        diagnosis="\n".join(text for name, data in _diagnoses(deps, pick) if (text := diagnosis_text(name, data))),
        knowledge=[hit.name for hit in found],
        remembered=_memories(deps, pick, state["words"]),
    )  # fmt: skip
    return {}


@functools.cache
def _compiled() -> Any:
    return build_research().compile(checkpointer=False)


def _diagnoses(deps: Deps, pick: PickState) -> list[tuple[str, dict[str, Any]]]:
    """Of the parent, and of the newest attempt in sight where that failed: id and ``reflected`` data."""
    found: dict[str, dict[str, Any]] = {}
    if pick["parent"] is not None:
        found[pick["parent"]] = deps.ledger.find("reflected", pick["parent"]) or {}
    if pick["visible"]:
        newest = pick["visible"][-1]
        data = deps.ledger.find("reflected", newest) or {}
        if pick["parent"] is None or data.get("bottleneck") in BREAKS:
            found.setdefault(newest, data)
    return list(found.items())


def _memories(deps: Deps, pick: PickState, words: str) -> list[dict[str, Any]]:
    """What memory has about it, beyond what was recalled when the run began."""
    if deps.memory is None or not words:
        return []
    try:
        hits = deps.memory.search(words, ASKED_MEMORIES)
    except StoreError as error:
        deps.emit("warning", text=f"nothing remembered: {error}")
        return []
    settings = deps.settings
    known = {one["candidate"] for one in (deps.ledger.find("recalled") or {"attempts": []})["attempts"]}
    known |= {*pick["visible"], *[data["candidate"] for data in deps.ledger.all("judged")]}
    chosen: dict[str, dict[str, Any]] = {}
    for hit in hits:
        one = hit.experience
        if (one.target, one.language, one.run_id == deps.run_id) != (settings.target, settings.language, False):
            continue
        if deps.trusted_only and one.model != BUILTIN:
            continue
        attempt = to_recalled(deps, hit)
        if attempt["candidate"] not in known:
            chosen.setdefault(attempt["candidate"], attempt)
    return list(chosen.values())[:MOST_MEMORIES]


def _question(deps: Deps, state: ResearchState) -> str:
    pick = state["pick"]
    lines = [f"- {node.status} {node.reason or ''} {one_line(node.strategy)}: {one_line(node.lesson)}"
             for node in deps.ledger.tree(pick["visible"][-RECENT:])]  # fmt: skip
    told = [text for name, data in _diagnoses(deps, pick) if (text := diagnosis_text(name, data))]
    fixed: dict[str, object] = {
        "target": deps.settings.target,
        "language": deps.settings.language,
        "operators": ", ".join(state["question"]["operators"]) or "unknown",
        "diagnosis": "\n".join(told) or "none",
    }
    parts = [
        Part("attempts", tuple("\n".join(lines[-count:]) or "none" for count in range(len(lines), 0, -1)) or ("none",))
    ]
    bare = render("research", **fixed, attempts="")
    return render("research", **fixed, **fit(parts, room_for_question(deps) - len(bare)))
