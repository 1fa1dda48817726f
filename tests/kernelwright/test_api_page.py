"""``docs/api.md``, run: every example in order, with a scripted judge, and by ``make test-slow`` for real."""

from __future__ import annotations

import inspect
import re
import shutil
from contextlib import contextmanager
from dataclasses import replace

import pytest

import agent.run
import kernelwright
import tools.opening
from agent.scripted import ScriptedChatModel, ScriptedProposal, ScriptedReply, replay
from kernelwright import api
from tools.fake_judge import FakeJudge, accepted


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs" / "api.md").read_text(encoding="utf-8")


def run_examples(page: str) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    there: dict[str, object] = {"__name__": "page"}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"docs/api.md, example {number}", "exec"), there)


@pytest.fixture
def files(repository, tmp_path, monkeypatch):
    """The folder in which a reader would have these files."""
    shutil.copy(repository / "examples" / "problems" / "rms_norm.py", tmp_path)
    shutil.copy(repository / "examples" / "candidates" / "rms_norm_library.py", tmp_path / "candidate.py")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def scripted(monkeypatch):
    """A judge that accepts everything in no time, and a model of one idea, in place of the real ones."""
    judge = FakeJudge(lambda source: accepted(1.5))
    calls = (
        {"name": "write_candidate", "args": {"source": "class ModelNew: ...\n"}},
        {"name": "compile_candidate"},
        {"name": "submit", "args": {"strategy": "by hand"}},
    )
    replies = tuple(ScriptedReply.model_validate({"tool_calls": [call]}) for call in calls)
    model = ScriptedChatModel(script=replay([ScriptedProposal(replies=replies)]))

    def with_judge(work):
        def run(*arguments, seams=None, **options):
            return work(*arguments, seams=replace(seams or agent.run.Seams(), judge=judge, model=model), **options)

        return run

    @contextmanager
    def single_judge(*_, **__):
        yield judge

    monkeypatch.setattr(agent.run, "optimize", with_judge(agent.run.optimize))
    monkeypatch.setattr(agent.run, "resume", with_judge(agent.run.resume))
    monkeypatch.setattr(tools.opening, "single_judge", single_judge)
    monkeypatch.setattr(api, "open_boundary", lambda settings: type("Open", (), {"close": lambda self: None})())
    return judge


def test_every_example_runs(page, files, scripted, capsys):
    run_examples(page)
    told = capsys.readouterr().out
    assert "improved" in told
    assert "1.50x [" in told
    assert "no problem file at nowhere.py" in told
    assert len(scripted.confirmed) >= 3


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.timeout(900)
def test_every_example_runs_for_real(page, files):
    run_examples(page)


def test_it_names_every_public_function_with_its_arguments(page):
    table = "\n".join(re.findall(r"^\| `.*$", page, re.MULTILINE))
    for name in set(kernelwright.__all__) - {"__version__"}:
        assert re.search(rf"`{name}[`(]", table), name
        parameters = inspect.signature(getattr(kernelwright, name)).parameters
        shown = re.search(rf"`{name}\(([^`]*)\)`", table)
        if shown:
            assert re.findall(r"(\w+)(?:=|,|$)", shown[1].replace("=()", "").replace("=None", "")) == list(parameters)
