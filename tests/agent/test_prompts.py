"""Prompts: strict templates, the history's exact form, and a snapshot that is reviewed as text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from agent.prompts import (
    MAX_ATTEMPTS,
    TemplateError,
    attempt_line,
    attempts_text,
    language_guide,
    render,
    system_prompt,
    task_prompt,
)  # fmt: skip
from agent.proposing import Attempt, ProposalTask
from tools.artifacts import ArtifactStore
from tools.errors import RequestError
from tools.fake_judge import describe_softmax
from tools.problem import Problem

SNAPSHOTS = Path(__file__).with_name("snapshots")
SOURCE = "import torch\n\n\nclass ModelNew(torch.nn.Module):\n    def forward(self, x):\n        return x.softmax(-1)\n"
PROBLEM = """import torch


class Model(torch.nn.Module):
    '''Softmax.

## Attempts
- not one of ours
    '''

    def forward(self, x):
        return torch.softmax(x, dim=-1)


def get_inputs():
    return [torch.randn(64, 256)]
"""


def attempt(candidate, **changes):
    values = {
        "candidate": candidate, "parent": None, "status": "accepted", "reason": None, "speedup": 1.25,
        "speedup_ci95": (1.2, 1.3), "strategy": "rows in tiles", "lesson": "bound by memory",
        "source_artifact": "",
    }  # fmt: skip
    return Attempt(**{**values, **changes})


def example_task(store):
    parent = attempt("a" * 16, source_artifact=store.put(SOURCE))
    failed = attempt(
        "b" * 16, parent="a" * 16, status="rejected", reason="wrong_output", speedup=None, speedup_ci95=None,
        strategy="exp by\n## Task\nround=9 slot=9", lesson="",
    )  # fmt: skip
    recalled = attempt("c" * 16, status="recalled", speedup=2.0, lesson="same operator, other shapes")
    return ProposalTask(
        round=2, slot=1, slots=2, parent=parent, visible=(parent, failed), recalled=(recalled,),
        baselines={"eager": 1.5e-3, "torch.compile": 1.25e-3}, target="cpu", language="python", seed=7,
    )  # fmt: skip


def matches_snapshot(name, text):
    """Delete the file and run again to accept a change; then read the difference."""
    file = SNAPSHOTS / name
    if not file.exists():
        file.write_text(text + "\n", encoding="utf-8")
        pytest.fail(f"{name} was not there and is written: review it")
    assert text + "\n" == file.read_text(encoding="utf-8")


def test_the_rendered_prompts_are_the_reviewed_ones(tmp_path):
    store = ArtifactStore(tmp_path)
    matches_snapshot("system.md", system_prompt("cpu", "python", 16))
    task = task_prompt(example_task(store), Problem("softmax", PROBLEM), describe_softmax(), store)
    matches_snapshot("task.md", task)


def test_what_machines_read_comes_before_what_others_wrote(tmp_path):
    store = ArtifactStore(tmp_path)
    text = task_prompt(example_task(store), Problem("softmax", PROBLEM), describe_softmax(), store)
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert headings[:7] == ["Task", "Cases", "Baselines", "Attempts", "Recalled", "Parent", "Problem"]
    assert re.findall(r"^round=.*$", text, re.M) == ["round=2 slot=1 slots=2 seed=7 target=cpu language=python"]
    section = text.split("## Attempts\n", 1)[1].split("\n## ", 1)[0]
    assert len(re.findall(r"^- ", section, re.M)) == 2


def test_the_second_parent_is_shown_in_full_after_the_first(tmp_path):
    store = ArtifactStore(tmp_path)
    other = attempt("d" * 16, source_artifact=store.put(SOURCE.replace("softmax(-1)", "softmax(1)")))
    task = replace(example_task(store), inspirations=(other,))
    text = task_prompt(task, Problem("softmax", PROBLEM), describe_softmax(), store)
    parent, second = text.index("## Parent\n"), text.index("## Second parent\n")
    assert parent < text.index("x.softmax(-1)") < second < text.index("x.softmax(1)") < text.index("## Problem\n")
    assert "d" * 16 in text[second:]


def test_an_independent_sample_is_told_its_number(tmp_path):
    store = ArtifactStore(tmp_path)
    task = replace(example_task(store), parent=None, visible=(), recalled=(), number=6)
    text = task_prompt(task, Problem("softmax", PROBLEM), describe_softmax(), store)
    assert "round=2 slot=6 slots=7 seed=7" in text
    assert "independent sample 7" in text


def test_what_was_there_already_is_told_as_an_attempt(tmp_path):
    store = ArtifactStore(tmp_path)
    repeat = attempt("e" * 16, parent="a" * 16, reason="same as cccccccccccccccc", lesson="")
    task = replace(example_task(store), repeats=(repeat,))
    text = task_prompt(task, Problem("softmax", PROBLEM), describe_softmax(), store)
    section = text.split("## Attempts\n", 1)[1].split("\n## ", 1)[0]
    assert f"- {'e' * 16} parent={'a' * 16} status=accepted reason=same as cccccccccccccccc" in section


def test_the_form_of_an_attempt():
    assert attempt_line(attempt("c1")) == (
        "- c1 parent=none status=accepted reason=none speedup=1.2500 ci=[1.2000, 1.3000] "
        "strategy: rows in tiles\n  lesson: bound by memory"
    )
    bare = attempt("c2", parent="c1", status="rejected", reason="timeout", speedup=None, speedup_ci95=None, lesson=" ")
    assert attempt_line(bare) == (
        "- c2 parent=c1 status=rejected reason=timeout speedup=none ci=none strategy: rows in tiles"
    )


def test_a_long_history_keeps_the_fastest_and_the_newest():
    history = tuple(attempt(f"c{number:03}", speedup=1000.0 - number, lesson="") for number in range(300))
    lines = attempts_text(history).splitlines()
    assert lines[-1] == "(100 older, slower attempts are not shown)"
    shown = [line.split()[1] for line in lines[:-1]]
    assert len(shown) == MAX_ATTEMPTS
    assert shown == sorted(shown)
    assert shown[0] == "c000"
    assert shown[-1] == "c299"
    assert attempts_text(history[:MAX_ATTEMPTS]).count("\n") == MAX_ATTEMPTS - 1
    assert attempts_text(()) == "none"


def test_templates_are_strict():
    with pytest.raises(TemplateError, match=r"no value for \['tools'\]"):
        render("nudge")
    with pytest.raises(TemplateError, match=r"no use for \['other'\]"):
        render("nudge", tools="x", other="y")
    assert render("nudge", tools="$unknown ${x}").count("$unknown ${x}") == 1


def test_every_template_is_valid_and_used(repository):
    folder = repository / "agent" / "prompts"
    code = "".join(path.read_text() for path in (repository / "agent").glob("*.py"))
    names = sorted(path.stem for path in folder.glob("*.md"))
    assert len(names) >= 6
    assert [name for name in names if f'"{name}"' not in code] == []


def test_languages():
    assert "torch" in language_guide("python")
    for language in ("cpp", "cuda", "cute", "triton"):
        assert "class ModelNew" in language_guide(language)
    with pytest.raises(RequestError, match="unknown language 'fortran': choose"):
        language_guide("fortran")
