"""``kernelwright eval`` on suites in other formats: what reaches the evaluation, what is written, what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from evals.reporting import SuiteReport

STATED = {"max_atol": 1e-3, "max_rtol": 2e-2}


def _load(name: str) -> Any:
    path = Path(__file__).parent.parent / "evals" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


datasets, reports = _load("datasets"), _load("reports")


@pytest.fixture
def dataset(tmp_path):
    return datasets.lay_sol(tmp_path / "data", datasets.definition(), datasets.workload(3), datasets.workload(9))


@pytest.fixture
def evaluated(monkeypatch):
    """What an evaluation was asked for, instead of running it."""
    asked: dict[str, Any] = {}

    def run(suite: Any, settings: Any, folder: Path, **about: Any) -> SuiteReport:
        asked.update(about, suite=suite, settings=settings, folder=folder)
        return reports.report(reports.result("p0", 2.0))

    monkeypatch.setattr("evals.runner.run_suite", run)
    return asked


def test_a_dataset_is_evaluated(command, evaluated, dataset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command("eval", f"sol:{dataset}", "--max-cases", 1, "--only", "L1").code == 0
    (item,) = evaluated["suite"].problems
    assert (item.name, item.refusal) == ("L1_001_rms_norm", "")
    assert item.problem.source.count("cases[") == 1
    assert evaluated["folder"] == tmp_path / "eval-sol-execbench"
    assert "--only L1 --max-cases 1" in evaluated["command"]
    assert evaluated["settings"].precision == "native"


def test_a_licence_that_a_dataset_states_is_below_the_command_line(command, evaluated, tmp_path):
    root = datasets.lay_flashinfer(tmp_path, datasets.definition(), datasets.workload(tolerance=STATED))
    answer = command("eval", f"flashinfer:{root}", "--out", tmp_path / "x")
    settings = evaluated["settings"]
    assert (answer.code, settings.precision, settings.atol, settings.rtol) == (0, "tolerance", 1e-3, 2e-2)
    assert "as the dataset states: atol 0.001, rtol 0.02" in answer.err
    answer = command("eval", f"flashinfer:{root}", "--out", tmp_path / "x", "--precision", "native")
    assert (evaluated["settings"].precision, evaluated["settings"].atol) == ("native", None)
    assert "states" not in answer.err


def test_problem_files_are_written_and_nothing_is_run(command, dataset, tmp_path):
    datasets.write(dataset / "L1/002_torn/definition.json", "{")
    datasets.write(dataset / "L1/002_torn/workload.jsonl", "")
    answer = command("eval", f"sol:{dataset}", "--problems", tmp_path / "out", "--json")
    assert (answer.code, answer.err) == (0, "")
    one, torn = answer.json["problems"]
    assert Path(one["path"]).read_text().startswith("# rmsnorm_h16 (rmsnorm)\n")
    assert (torn["path"], "no JSON" in torn["refusal"]) == (None, True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["L1_001_rms_norm.py"]
    answer = command("eval", f"sol:{dataset}", "--problems", tmp_path / "out")
    assert "no problem: definition.json: no JSON" in answer.out
    assert "1 problems written" in answer.err
    Path(one["path"]).write_text("mine")
    assert "says something else" in command("eval", f"sol:{dataset}", "--problems", tmp_path / "out").is_one_line(2)
    assert Path(one["path"]).read_text() == "mine"


def test_the_problems_of_a_suite_of_ours_are_written_too(command, tmp_path):
    answer = command("eval", "gate", "--problems", tmp_path / "out", "--json")
    assert [Path(row["path"]).name for row in answer.json["problems"]] == [
        f"{row['name']}.py" for row in answer.json["problems"]
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["flashinfer:none"], "no folder none: give a FlashInfer-Trace dataset"),
        (["flashinfer:."], "no folder definitions/"),
        (["sol:none"], "give a SOL-ExecBench dataset"),
        (["sol:."], "holds no problems"),
        (["sol:.", "--max-cases", "0"], "--max-cases 0: one at least"),
        (["kernelbench:.", "--max-cases", "2"], "one case each"),
        (["cpu", "--max-cases", "2"], "--max-cases has no meaning with cpu"),
        (["integrity", "--max-cases", "2"], "--max-cases has no meaning"),
        (["compare", "a", "b", "--problems", "x"], "--problems has no meaning"),
        (["cpu", "--problems", "x", "--repeats", "2"], "--repeats has no meaning with --problems"),
        (["sol:.", "--target", "abacus"], "unknown target 'abacus'"),
        (["cpu", "--problems", "/dev/null/x"], "choose another with --problems"),
    ],
)
def test_requests_that_make_no_sense_are_one_line(command, words, says, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert says in command("eval", *words).is_one_line(2)
    assert list(tmp_path.iterdir()) == []


def test_a_target_is_named_on_the_command_line(command, evaluated, tmp_path):
    text = "import torch\ndef run(x, weight, eps): return x + torch.ones(16, device='cuda')"
    root = datasets.lay_sol(tmp_path / "data", datasets.definition(reference=text), datasets.workload())
    assert command("eval", f"sol:{root}", "--target", "cuda:sm90", "--out", tmp_path / "x").code == 0
    (item,) = evaluated["suite"].problems
    assert (evaluated["suite"].target, item.refusal) == ("cuda:sm90", "")
    assert command("eval", f"sol:{root}", "--out", tmp_path / "x").code == 0
    assert "--target cuda:ARCH" in evaluated["suite"].problems[0].refusal
