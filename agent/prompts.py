"""Prompt texts: templates in ``agent/prompts/*.md``, rendered strictly, and the form of the history in them.

The history's form is read by machines too (the builtin model): one line an attempt, as ``attempt_line``
writes it, in the sections ``## Attempts`` and ``## Recalled``. Those come before any text of several lines
written by a model or a user, so the first section of a name is always ours.
"""

from __future__ import annotations

import importlib
import string
from importlib import resources
from typing import TYPE_CHECKING

from tools.artifacts import ArtifactStore
from tools.errors import RequestError
from tools.problem import Description, Problem
from tools.problem_text import baselines_text, cases_text, fenced, machine_text, one_line

if TYPE_CHECKING:
    from agent.proposing import Attempt, ProposalTask

MAX_ATTEMPTS = 200
"""Lines of history in a prompt; beyond, the fastest and the newest are kept."""
KEPT_FASTEST = 40


class TemplateError(Exception):
    """A template and its values do not match: a defect of ours."""


def render(template: str, **values: object) -> str:
    """A template's text with every ``$name`` filled in.

    Raises TemplateError for a name without a value and for a value without a name: a prompt that silently
    lost a part would cost a whole run.
    """
    text = resources.files("agent").joinpath("prompts", f"{template}.md").read_text("utf-8")
    parsed = string.Template(text)
    if not parsed.is_valid():
        raise TemplateError(f"{template}.md has a lone $: write $$")
    needed, given = set(parsed.get_identifiers()), set(values)
    if needed != given:
        raise TemplateError(
            f"{template}.md: no value for {sorted(needed - given)}, no use for {sorted(given - needed)}"
        )
    return parsed.substitute(values).strip()


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


def system_prompt(target: str, language: str, max_steps: int) -> str:
    """Role, rules, language and way of working: the same for every proposal of a run."""
    return render(
        "system",
        target=target,
        language=language,
        rules=render("rules"),
        language_guide=language_guide(language),
        max_steps=max_steps,
    )


def task_prompt(task: ProposalTask, problem: Problem, description: Description, store: ArtifactStore) -> str:
    """What this one proposal is about."""
    return render(
        "task",
        round=task.round,
        slot=task.slot if task.number is None else task.number,
        slots=task.slots if task.number is None else max(task.slots, task.number + 1),
        seed=task.seed,
        target=task.target,
        language=task.language,
        opening=_opening(task),
        cases=cases_text(description),
        machine=machine_text(description),
        baselines=baselines_text(task.baselines),
        attempts=attempts_text((*task.visible, *task.repeats)),
        recalled=attempts_text(task.recalled),
        parent=_parent_text(task, store),
        problem=f"{one_line(problem.name)}:\n{fenced(problem.source)}",
    )


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
    if len(attempts) <= MAX_ATTEMPTS:
        return attempts
    older = range(len(attempts) - (MAX_ATTEMPTS - KEPT_FASTEST))
    fastest = sorted(older, key=lambda index: (-(attempts[index].speedup or 0.0), index))[:KEPT_FASTEST]
    return tuple(attempts[index] for index in sorted(fastest)) + attempts[older.stop :]


def _opening(task: ProposalTask) -> str:
    if task.number is not None:
        return f"This is independent sample {task.number + 1}: it starts from nothing, on purpose. Make it a new idea."
    said = f"This is proposal {task.slot + 1} of {task.slots} in round {task.round}."
    if task.slots < 2:
        return f"{said} Make it count."
    return f"{said} The others of this round are written at the same time: choose an idea of your own."


def _parent_text(task: ProposalTask, store: ArtifactStore) -> str:
    """The parent in full, then the other parents of a crossover."""
    if task.parent is None:
        return "none: start from the reference"
    parts = [_whole(task.parent, store)]
    for other in task.inspirations:
        parts.append(f"## Second parent\nTake over into the parent what is better in this one.\n{_whole(other, store)}")
    return "\n\n".join(parts)


def _whole(attempt: Attempt, store: ArtifactStore) -> str:
    return f"{attempt_line(attempt)}\n{fenced(store.text(attempt.source_artifact))}"
