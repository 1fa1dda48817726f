"""``kernelwright eval``: what is compared and refused, what a suite fixes, and what the exit code says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from evals.suite import load_suite


def _load_reports() -> Any:
    path = Path(__file__).parent.parent / "evals" / "reports.py"
    spec = importlib.util.spec_from_file_location("reports", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


reports = _load_reports()


def evaluation(speedup: float, **about: Any) -> Any:
    results = [reports.result(f"p{n}", speedup * (1 + n / 10), r, half=0.01) for n in range(4) for r in (1, 2)]
    return reports.report(*results, **about)


@pytest.fixture
def saved(tmp_path):
    """Write reports; their paths."""

    def save(*given: Any) -> list[Path]:
        paths = [tmp_path / f"{number}.json" for number in range(len(given))]
        for path, one in zip(paths, given, strict=True):
            path.write_text(json.dumps(one.to_json()))
        return paths

    return save


@pytest.fixture
def evaluated(monkeypatch):
    """Let the suite's run answer this report instead of starting one; what it was asked for."""
    asked: dict[str, Any] = {}

    def answer(report: Any) -> dict[str, Any]:
        def run(suite: Any, settings: Any, folder: Path, **about: Any) -> Any:
            asked.update(about, suite=suite, settings=settings, folder=folder)
            return report

        monkeypatch.setattr("evals.runner.run_suite", run)
        return asked

    return answer


def test_compare_says_same_and_worse_by_its_exit_code(command, saved):
    good, again, bad = saved(evaluation(2.0), evaluation(2.01), evaluation(1.5))
    answer = command("eval", "compare", good, again)
    assert (answer.code, answer.err) == (0, "")
    assert "**The same**" in answer.out
    answer = command("eval", "compare", good, bad)
    assert answer.code == 1
    assert "**Worse**" in answer.out
    assert "![" not in answer.out
    assert command("eval", "compare", bad, good).code == 0


def test_compare_as_json_is_one_object_and_out_keeps_it(command, saved, tmp_path):
    good, bad = saved(evaluation(2.0), evaluation(1.5))
    answer = command("eval", "compare", good, bad, "--json", "--out", tmp_path / "kept")
    assert (answer.code, answer.json["word"]) == (1, "worse")
    assert json.loads((tmp_path / "kept" / "comparison.json").read_text()) == answer.json
    assert (tmp_path / "kept" / "comparison.svg").read_text().startswith("<svg ")
    assert "![ratios](comparison.svg)" in (tmp_path / "kept" / "comparison.md").read_text()


def test_compare_takes_folders(command, saved, tmp_path):
    (path,) = saved(evaluation(2.0))
    (tmp_path / "folder").mkdir()
    path.rename(tmp_path / "folder" / "report.json")
    assert command("eval", "compare", tmp_path / "folder", tmp_path / "folder").code == 0


def test_licences_are_never_mixed(command, saved):
    native, tolerance = saved(evaluation(2.0), evaluation(2.0, precision="tolerance"))
    for words in ((), ("--across",)):
        assert "licence" in command("eval", "compare", native, tolerance, *words).is_one_line(2)


def test_other_devices_only_when_told(command, saved):
    other = {**reports.MACHINE, "cpu": "another"}
    one, two = saved(evaluation(2.0), evaluation(2.0, machine=other))
    assert "--across" in command("eval", "compare", one, two).is_one_line(2)
    assert command("eval", "compare", one, two, "--across").code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["compare"], "two reports"),
        (["compare", "a.json"], "two reports"),
        (["cpu", "a.json", "b.json"], "two reports"),
        (["compare", "a.json", "b.json", "--seed", "1"], "judges nothing anew"),
        (["compare", "a.json", "b.json"], "cannot read a.json"),
        (["compare", "a.json", "b.json", "--repeats", "2"], "--repeats has no meaning"),
        (["cpu", "--sample", "2"], "--sample has no meaning"),
        (["cpu", "--arm", "once"], "--arm has no meaning"),
        (["integrity", "--repeats", "2"], "--repeats has no meaning"),
        (["cpu", "--repeats", "0"], "one at least"),
        (["cpu", "--arms", "agent,once"], "leave once out"),
        (["cpu", "--without", "luck"], "no part 'luck'"),
        (["cpu", "--against", "none.json"], "cannot read none.json"),
    ],
)
def test_requests_that_make_no_sense_are_one_line(command, words, says, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert says in command("eval", *words).is_one_line(2)
    assert list(tmp_path.iterdir()) == []


def test_against_a_former_report_a_regression_is_1(command, saved, evaluated, tmp_path):
    (former,) = saved(evaluation(2.0))
    evaluated(evaluation(1.5))
    answer = command("eval", "cpu", "--against", former, "--out", tmp_path / "new")
    assert answer.code == 1
    assert "**Worse**" in answer.out
    assert json.loads((tmp_path / "new" / "comparison.json").read_text())["word"] == "worse"
    evaluated(evaluation(2.02))
    answer = command("eval", "cpu", "--against", former, "--out", tmp_path / "new", "--json")
    assert (answer.code, answer.json["against"]["word"]) == (0, "same")


def test_an_interrupted_evaluation_is_not_compared(command, saved, evaluated, tmp_path):
    (former,) = saved(evaluation(2.0))
    evaluated(evaluation(1.5, status="interrupted"))
    answer = command("eval", "cpu", "--against", former, "--out", tmp_path / "new")
    assert answer.code == 130
    assert "not compared yet" in answer.err


def test_what_was_asked_for_reaches_the_evaluation(command, evaluated, tmp_path):
    asked = evaluated(evaluation(2.0))
    words = ("--repeats", 3, "--without", "memory", "--without", "tuning", "--seed", 4, "--out", tmp_path / "x")
    assert command("eval", "cpu", *words).code == 0
    assert (asked["repeats"], list(asked["ablated"]), asked["arms"]) == (3, ["memory", "tuning"], ("agent",))
    for spelled in ("--repeats 3", "--without memory --without tuning", "--seed 4"):
        assert spelled in asked["command"]
    assert asked["command"].startswith("kernelwright eval cpu ")


def test_what_a_suite_fixes_is_above_the_file_and_below_the_command_line(command, evaluated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kernelwright.toml").write_text("max_candidates = 9\nslots = 3\n")
    asked = evaluated(evaluation(2.0))
    assert command("eval", "gate").code == 0
    settings = asked["settings"]
    assert (settings.max_candidates, settings.slots, settings.memory) == (1, 3, False)
    assert command("eval", "gate", "--max-candidates", 2).code == 0
    assert asked["settings"].max_candidates == 2


def test_the_target_is_the_suites_unless_another_one_is_given(command, evaluated, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERNELWRIGHT_TARGET", "cpu")
    asked = evaluated(evaluation(2.0))
    assert command("eval", "gpu").code == 0
    assert (asked["suite"].target, asked["settings"].target, asked["settings"].language) == (
        *("cuda:sm90", "cuda:sm90"),
        "triton",
    )
    assert command("eval", "cpu_core", "--target", "cuda:sm90", "--language", "cuda").code == 0
    assert (asked["suite"].target, asked["settings"].target, asked["settings"].language) == (
        *("cuda:sm90", "cuda:sm90"),
        "cuda",
    )
    assert "--target cuda:sm90" in asked["command"]
    assert asked["suite"].id != load_suite("cpu_core").id, "scores on another target are another suite's"
    assert "bars of gate are for cpu" in command("eval", "gate", "--target", "cuda:sm90").is_one_line(2)
    assert "unknown target" in command("eval", "integrity", "--target", "abacus").is_one_line(2)


def test_the_gate_is_a_suite_of_bars_that_any_machine_reaches():
    suite = load_suite("gate")
    assert set(suite.least) == {item.name for item in suite.problems}
    assert max(suite.least.values()) <= 1.2


def test_a_missed_bar_is_1_and_said(command, evaluated, tmp_path):
    bars = {"p0": 1.2, "p1": 3.0}
    evaluated(evaluation(2.0, least=bars))
    answer = command("eval", "gate", "--out", tmp_path / "x")
    assert answer.code == 1
    assert "- p1: 2.20x, at least 3x is due, repeat 1" in answer.out
    evaluated(evaluation(2.0, least={"p0": 1.2}))
    answer = command("eval", "gate", "--out", tmp_path / "x")
    assert answer.code == 0
    assert "bars are reached" in answer.out


def test_of_a_suite_with_bars_these_decide_and_disagreements_are_only_told():
    lucky = reports.result("p0", 2.0)
    doubted = lucky.model_copy(update={"second": reports.result("p0", 1.5).second})
    assert doubted.agrees is False
    assert reports.report(doubted).exit_code == 1
    assert reports.report(doubted, least={"p0": 1.2}).exit_code == 0
    assert reports.report(doubted, least={"p0": 1.8}).exit_code == 1
    rejected = lucky.second.model_copy(
        update={"status": "rejected", "reason": "wrong_output", "speedup": None, "speedup_ci95": None}
    )
    wrong = reports.report(lucky.model_copy(update={"second": rejected}), least={"p0": 0})
    assert (wrong.exit_code, wrong.missed) == (1, ("p0: no right candidate, repeat 1",))
