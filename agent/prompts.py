"""Prompt texts: templates in ``agent/prompts/*.md``, rendered strictly, and the form of the history in them.

The history's form is read by machines too (the builtin model): one line an attempt, as ``attempt_line``
writes it, in the sections ``## Attempts`` and ``## Recalled``. Those come before any text of several lines
written by a model or a user, so the first section of a name is always ours.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from agent.budget import BARREN_ROUNDS
from agent.chips import chip_guide
from agent.composing import fit
from agent.parts import newest_and_fastest, parts_of
from agent.rendering import TemplateError, render
from memory.knowledge.base import KnowledgeBase
from tools.artifacts import ArtifactStore
from tools.errors import RequestError
from tools.parameters import tuning_guide
from tools.problem import Description, Problem
from tools.problem_text import baselines_text, cases_text, fenced, machine_text, one_line

__all__ = [
    "TemplateError",
    "attempt_line",
    "attempts_text",
    "language_guide",
    "render",
    "single_prompt",
    "system_prompt",
    "task_prompt",
]

if TYPE_CHECKING:
    from agent.proposing import Attempt, ProposalTask

_PROFILING = "`profile_candidate` says what limits the draft, with evidence and advice; "
MAX_ATTEMPTS = 200
"""Lines of history in a prompt; beyond, the fastest and the newest are kept."""


def language_guide(language: str) -> str:
    """How a candidate is written in a language. Raises RequestError for one nobody wrote a guide for."""
    if language == "python":
        return render("language_python")
    name = f"tools.languages.{language}"
    try:
        guide = getattr(importlib.import_module(name), f"{language.upper()}_GUIDE")
    except ModuleNotFoundError as error:
        if error.name not in {name, "tools.languages"}:
            raise
        raise RequestError(f"unknown language {language!r}: choose cpp, cuda, cute, python or triton") from error
    return str(guide).strip()


def system_prompt(target: str, language: str, max_steps: int, *, tuned: bool = True, profiled: bool = True) -> str:
    """Role, rules, chip, language and way of working: the same for every proposal of a run, and never shortened.

    ``tuned``: whether numbers that candidates leave open are chosen by measuring; ``profiled``: whether a profiler may
    be asked.
    """
    return render(
        "system",
        **_constraints(target, language),
        tuning_guide=f"\n# Numbers\n\n{tuning_guide(language)}\n" if tuned else "",
        profiling=_PROFILING if profiled else "",
        max_steps=max_steps,
    )


def single_prompt(target: str, language: str) -> str:
    """The same for a model that is asked once, without tools."""
    return render("single", **_constraints(target, language))


def _constraints(target: str, language: str) -> dict[str, str]:
    return {
        "target": target,
        "language": language,
        "rules": render("rules"),
        "chip_guide": chip_guide(target),
        "language_guide": language_guide(language),
    }


def task_prompt(
    task: ProposalTask,
    problem: Problem,
    description: Description,
    store: ArtifactStore,
    knowledge: KnowledgeBase | None = None,
    budget: int | None = None,
) -> str:
    """What this one proposal is about, in ``budget`` characters if that can be done.

    Four parts: the candidate and its history, the diagnosis, knowledge, and (in the system prompt) the constraints of
    chip and language. What is left out first is ``agent.parts``' to say; the problem is never left out.
    """
    fixed: dict[str, object] = {
        "round": task.round,
        "slot": task.slot if task.number is None else task.number,
        "slots": task.slots if task.number is None else max(task.slots, task.number + 1),
        "seed": task.seed,
        "target": task.target,
        "language": task.language,
        "opening": _opening(task),
        "cases": cases_text(description),
        "machine": machine_text(description),
        "baselines": baselines_text(task.baselines),
        "problem": f"{one_line(problem.name)}:\n{fenced(problem.source)}",
    }
    line = "" if task.parent is None else attempt_line(task.parent)
    parts = parts_of(task, store, knowledge, attempts_text, line)
    if budget is not None:
        budget -= len(render("task", **fixed, **{part.name: "" for part in parts}))
    return render("task", **fixed, **fit(parts, budget))


def attempt_line(attempt: Attempt) -> str:
    """One attempt in the form that people and machines read; a second line for the lesson."""
    speedup = "none" if attempt.speedup is None else f"{attempt.speedup:.4f}"
    interval = attempt.speedup_ci95
    ci = "none" if interval is None else f"[{interval[0]:.4f}, {interval[1]:.4f}]"
    line = (
        f"- {attempt.candidate} parent={attempt.parent or 'none'} status={attempt.status} "
        f"reason={one_line(attempt.reason or 'none')} speedup={speedup} ci={ci} "
        f"strategy: {one_line(attempt.strategy)}"
    )
    return f"{line}\n  lesson: {one_line(attempt.lesson, 500)}" if attempt.lesson.strip() else line


def attempts_text(attempts: tuple[Attempt, ...]) -> str:
    """One line an attempt, in the order given; ``none`` when there are none."""
    kept = _most_telling(attempts)
    lines = [attempt_line(attempt) for attempt in kept]
    if len(kept) < len(attempts):
        lines.append(f"({len(attempts) - len(kept)} older, slower attempts are not shown)")
    return "\n".join(lines) or "none"


def _most_telling(attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    return attempts if len(attempts) <= MAX_ATTEMPTS else newest_and_fastest(attempts, MAX_ATTEMPTS)


def _opening(task: ProposalTask) -> str:
    if task.number is not None:
        return f"This is independent sample {task.number + 1}: it starts from nothing, on purpose. Make it a new idea."
    said = f"This is proposal {task.slot + 1} of {task.slots} in round {task.round}."
    if task.slots < 2:
        said += " Make it count."
    else:
        said += " The others of this round are written at the same time: choose an idea of your own."
    if not task.declined:
        return said
    earlier = "\n".join(f"- {line}" for line in task.declined)
    ends = f"{BARREN_ROUNDS} rounds in a row without a new candidate end the search."
    return f"{said}\nEarlier rounds that came to no candidate ({ends}):\n{earlier}"
