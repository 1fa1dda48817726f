"""diagnose: reads the verdict, log and profile of a judged candidate, names what limits it, and writes the lesson.

By rule; a language model writes it instead where there is one and the settings allow it, and the rule's word stands
whenever that fails. A function of stored facts: its result is the event ``reflected``, written once a candidate.
"""

from __future__ import annotations

import functools
from typing import Any, Literal, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.composing import Part, fit
from agent.deps import Deps
from agent.diagnosing import LONGEST_EVIDENCE, LONGEST_LESSON, Bottleneck, Diagnosis, diagnose_by_rule
from agent.rendering import render
from agent.subagents.asking import ask_model, may_ask, room_for_question
from agent.subagents.running import run_graph
from agent.tuning.telling import tuned_text
from tools.answers import bounded
from tools.problem import Description
from tools.problem_text import cases_text, fenced, machine_text, one_line
from tools.profiling.diagnosis import Diagnosis as Profile
from tools.verdict import Verdict

LOG_VERSIONS = (6_000, 2_000, 500)
SOURCE_VERSIONS = (24_000, 8_000, 2_000)
PROFILE_VERSIONS = (3_000, 500)


class DiagnoseState(TypedDict):
    """One candidate on its way through the graph."""

    candidate: str
    diagnosis: dict[str, Any]
    """``Diagnosis`` as JSON."""


class DiagnosisAnswer(BaseModel):
    """Say what limits the candidate and what its judgement taught."""

    model_config = ConfigDict(extra="ignore")

    bottleneck: Bottleneck = Field(description="What limits it, or what is wrong with it.")
    evidence: str = Field(min_length=1, description="One line: the facts that show it.")
    lesson: str = Field(
        min_length=1, description="Two lines at most: what was tried, what came of it, what to do or not to do next."
    )


def build_diagnose() -> StateGraph[DiagnoseState, Deps]:
    """The uncompiled graph."""
    builder = StateGraph(DiagnoseState, context_schema=Deps)
    for node in (assess, explain, conclude):
        builder.add_node(node.__name__, node)
    builder.add_edge(START, "assess")
    builder.add_conditional_edges("assess", _who, ["explain", "conclude"])
    builder.add_edge("explain", "conclude")
    builder.add_edge("conclude", END)
    return builder


def diagnose(deps: Deps, candidate: str) -> dict[str, Any]:
    """The ``reflected`` data of a judged candidate, found out now unless it was before."""
    known = deps.ledger.find("reflected", candidate)
    if known is None:
        run_graph(_compiled(), DiagnoseState(candidate=candidate, diagnosis={}), deps)
        known = deps.ledger.find("reflected", candidate)
        assert known is not None
    return known


def assess(state: DiagnoseState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """By rule."""
    deps = runtime.context
    judged, verdict = _judged(deps, state)
    before = None if judged["parent"] is None else deps.ledger.node(judged["parent"]).speedup
    found = diagnose_by_rule(verdict, _description(deps), parent_speedup=before, profile=_profile(deps, judged))
    return {"diagnosis": found.model_dump()}


def _who(state: DiagnoseState, runtime: Runtime[Deps]) -> Literal["explain", "conclude"]:
    return "explain" if may_ask(runtime.context) else "conclude"


def explain(state: DiagnoseState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """By the language model; what the rule said stays where it has no usable answer."""
    deps = runtime.context
    place = _judged(deps, state)[0]["round"], None
    answer = ask_model(deps, "diagnosis", _question(deps, state), DiagnosisAnswer, place)
    if answer is None:
        return {}
    found = Diagnosis(
        bottleneck=answer.bottleneck,
        evidence=one_line(answer.evidence, LONGEST_EVIDENCE),
        lesson=one_line(answer.lesson, LONGEST_LESSON),
        author="model",
    )
    return {"diagnosis": found.model_dump()}


def conclude(state: DiagnoseState, runtime: Runtime[Deps]) -> dict[str, Any]:
    """Write it down, with what tuning did."""
    candidate, deps = state["candidate"], runtime.context
    parent = _judged(deps, state)[0]["parent"]
    tuned = deps.ledger.find("tuned", candidate) or deps.ledger.find("tuned", parent)
    found = dict(state["diagnosis"])
    if tuned is not None and candidate in (tuned["candidate"], tuned["winner"]):
        found["lesson"] = f"{found['lesson']}; {tuned_text(tuned)}"
    deps.once("reflected", candidate, candidate=candidate, **found)
    return {}


@functools.cache
def _compiled() -> Any:
    return build_diagnose().compile(checkpointer=False)


def _judged(deps: Deps, state: DiagnoseState) -> tuple[dict[str, Any], Verdict]:
    judged = deps.ledger.find("judged", state["candidate"])
    assert judged is not None
    return judged, Verdict.from_json(judged["verdict"])


def _description(deps: Deps) -> Description:
    described = deps.ledger.find("described")
    assert described is not None
    return Description.model_validate_json(deps.store.get(described["description"]))


def _profile(deps: Deps, judged: dict[str, Any]) -> Profile | None:
    """What a profiler said of it, where the proposal asked one."""
    proposed = deps.ledger.find("proposed", judged["round"], judged["slot"]) or {}
    artifact = proposed.get("profile")
    if artifact is None or proposed["candidate"] != judged["candidate"]:
        return None
    try:
        return Profile.model_validate_json(deps.store.get(artifact))
    except (KeyError, ValidationError):
        return None


def _question(deps: Deps, state: DiagnoseState) -> str:
    """Facts that matter, cut to the budget: the log first, then the profile, then the source."""
    judged, verdict = _judged(deps, state)
    source, profile = deps.store.text(judged["source_artifact"]), _profile(deps, judged)
    told = "none" if profile is None else profile.model_dump_json(exclude_defaults=True)
    parent = None if judged["parent"] is None else deps.ledger.node(judged["parent"])
    description = _description(deps)
    fixed: dict[str, object] = {
        "candidate": state["candidate"],
        "target": deps.settings.target,
        "language": judged["language"],
        "strategy": one_line(judged["strategy"]) or "none given",
        "parent": "none" if parent is None else f"{parent.speedup or 0.0:.4f}x, {one_line(parent.strategy)}",
        "cases": cases_text(description),
        "machine": machine_text(description),
        "rule": one_line(state["diagnosis"]["lesson"], LONGEST_LESSON),
        "bottleneck": state["diagnosis"]["bottleneck"],
        "verdict": _verdict_text(verdict),
    }
    parts = [
        Part("log", tuple(fenced(bounded(verdict.log, size), "text") for size in LOG_VERSIONS)),
        Part("profile", tuple(bounded(told, size) for size in PROFILE_VERSIONS)),
        Part("source", tuple(fenced(bounded(source, size)) for size in SOURCE_VERSIONS)),
    ]
    bare = render("diagnose", **fixed, **{part.name: "" for part in parts})
    return render("diagnose", **fixed, **fit(parts, room_for_question(deps) - len(bare)))


def _verdict_text(verdict: Verdict) -> str:
    rows = [f"status={verdict.status} reason={verdict.reason or 'none'} {one_line(verdict.detail)}"]
    if verdict.speedup is not None:
        fraction = verdict.roofline_fraction
        rows.append(f"speedup={verdict.speedup:.4f} roofline={'unknown' if fraction is None else f'{fraction:.0%}'}")
    rows += [
        f"case {one_line(case.name, 80)}: {case.candidate.median_s:.3g} s, {case.speedup:.3f}x"
        for case in verdict.cases
    ]
    if verdict.error is not None and verdict.error_bound is not None:
        rows.append(f"error {verdict.error.worst:.3g}, allowed {verdict.error_bound.worst:.3g} (worst, of the scale)")
    return "\n".join(f"- {row}" for row in rows)
