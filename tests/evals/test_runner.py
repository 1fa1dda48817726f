"""Evaluations with a scripted optimizer and a scripted second judge: resuming, failing, disagreeing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import ModelRejected, RunError
from agent.outcome import Outcome
from agent.settings import AgentSettings
from evals.errors import ResultsError
from evals.page import to_markdown
from evals.rejudging import SecondOpinion
from evals.reporting import SuiteReport
from evals.results import Host, SuiteResult, result_key
from evals.runner import run_suite
from evals.suite import Suite, SuiteProblem
from evals.writing import to_json
from sandbox.errors import SandboxError, SandboxUnavailable
from tools.candidate import Candidate
from tools.errors import JudgeUnavailable, RequestError
from tools.problem import Problem
from tools.verdict import Verdict

HOST = Host(cpu="A Processor | with a bar", threads=2, torch_version="2.13.0")


def verdict(speedup: float, spread: float = 0.1, **about: object) -> Verdict:
    given = {
        "status": "accepted",
        "speedup": speedup,
        "speedup_ci95": (speedup - spread, speedup + spread),
        "faster": speedup - spread > 1.02,
        "baselines": {"eager": 0.010, "torch.compile": 0.020},
        "isolation": "bubblewrap",
        "confirmed": True,
        **about,
    }
    return Verdict(**given)


def outcome(problem: Problem, out: Path, speedup: float | None, **about: object) -> Outcome:
    best = None
    if speedup is not None:
        out.mkdir(parents=True, exist_ok=True)
        path = out / "best.py"
        path.write_text(f"class ModelNew: pass  # {problem.name}\n")
        best = {**verdict(speedup).to_json(), "path": str(path)}
    given = {
        "run_id": "r",
        "status": "no_improvement" if speedup is None else "improved",
        "problem": problem.name,
        "model": "builtin",
        "target": "cpu",
        "language": "cpp",
        "candidates": 3,
        "accepted": 2,
        "elapsed_s": 1.5,
        "tokens": 0,
        "cost_usd": 0.0,
        "recalled": 0,
        "stored": 3,
        "best": best,
        "run_dir": str(out),
        "stop_reason": "stall",
        "message": "",
        "candidates_to_best": 1,
        **about,
    }
    return Outcome(**given)


class ScriptedOptimizer:
    """Speed-up by problem name; an exception is raised, a callable is called."""

    def __init__(self, **script: object) -> None:
        self.script = script
        self.calls: list[str] = []
        self.settings: list[AgentSettings] = []

    def __call__(self, problem, settings, subscribers):
        self.calls.append(problem.name)
        self.settings.append(settings)
        item = self.script[problem.name]
        if isinstance(item, BaseException):
            raise item
        if isinstance(item, Callable):
            return item(problem, settings)
        return outcome(problem, settings.out, item)


class ScriptedSecond:
    """Verdict or exception by problem name."""

    def __init__(self, **script: object) -> None:
        self.script = script
        self.calls: list[tuple[str, Candidate]] = []

    def __call__(self, problem, candidate, settings, notice):
        self.calls.append((problem.name, candidate))
        item = self.script[problem.name]
        if isinstance(item, BaseException):
            raise item
        return SecondOpinion(item if isinstance(item, Verdict) else verdict(item), HOST)


def suite_of(*names: str) -> Suite:
    problems = tuple(SuiteProblem(Problem(name, f"# {name}"), "family") for name in names)
    return Suite("mine", "A suite of tests.", "cpu", problems)


@pytest.fixture
def settings() -> AgentSettings:
    return AgentSettings(seed=7)


def evaluate(suite, settings, folder, optimizer, second, lines=None) -> SuiteReport:
    notice = None if lines is None else lines.append
    return run_suite(suite, settings, folder, optimizer=optimizer, second=second, notice=notice)


def test_a_whole_evaluation(tmp_path, settings):
    optimizer = ScriptedOptimizer(a=2.0, b=None, c=1.5)
    second = ScriptedSecond(a=2.05, c=1.45)
    lines: list[str] = []
    report = evaluate(suite_of("a", "b", "c"), settings, tmp_path, optimizer, second, lines)
    assert report.status == "complete"
    assert report.exit_code == 0
    assert report.scores["agent"].claimed_geometric_mean == pytest.approx(3.0 ** (1 / 3))
    assert report.scores["agent"].geometric_mean == pytest.approx((2.05 * 1.45) ** (1 / 3))
    assert report.scores["agent"].agreeing == 2
    assert [name for name, _ in second.calls] == ["a", "c"]
    assert lines[-1] == "[3/3] c: 1.50x, judged again: 1.45x, agrees"
    assert "[2/3] b: no improvement" in lines


def test_the_second_judge_gets_the_file_that_was_left_to_the_user(tmp_path, settings):
    second = ScriptedSecond(a=2.0)
    evaluate(suite_of("a"), settings, tmp_path, ScriptedOptimizer(a=2.0), second)
    assert second.calls == [("a", Candidate(source="class ModelNew: pass  # a\n", language="cpp"))]


def test_memory_begins_empty_and_runs_are_apart(tmp_path, settings):
    optimizer = ScriptedOptimizer(a=None, b=None)
    evaluate(suite_of("a", "b"), settings, tmp_path, optimizer, ScriptedSecond())
    assert {item.home for item in optimizer.settings} == {tmp_path / "homes" / "agent-1"}
    folders = [item.out for item in optimizer.settings]
    assert len(set(folders)) == 2
    assert {folder.parent for folder in folders} == {tmp_path / "runs" / "agent-1"}


def test_finished_problems_are_taken_over(tmp_path, settings):
    suite = suite_of("a", "b")
    evaluate(suite, settings, tmp_path, ScriptedOptimizer(a=2.0, b=None), ScriptedSecond(a=2.0))
    optimizer, second = ScriptedOptimizer(), ScriptedSecond()
    report = evaluate(suite, settings, tmp_path, optimizer, second)
    assert (optimizer.calls, second.calls) == ([], [])
    assert report.scores["agent"].geometric_mean == pytest.approx(2.0**0.5)
    assert report.status == "complete"


@pytest.mark.parametrize("change", [{"seed": 8}, {"max_candidates": 3}, {"model": "openai:x"}])
def test_other_settings_are_another_result(tmp_path, settings, change):
    evaluate(suite_of("a"), settings, tmp_path, ScriptedOptimizer(a=None), ScriptedSecond())
    optimizer = ScriptedOptimizer(a=None)
    evaluate(suite_of("a"), settings.model_copy(update=change), tmp_path, optimizer, ScriptedSecond())
    assert optimizer.calls == ["a"]


def test_where_things_are_kept_is_no_other_result(settings, tmp_path):
    item = suite_of("a").problems[0]
    moved = settings.model_copy(update={"home": tmp_path, "out": tmp_path, "streaming": False})
    assert result_key(item, settings) == result_key(item, moved)
    changed = SuiteProblem(Problem("a", "# changed"), "family")
    assert result_key(item, settings) != result_key(changed, settings)


def test_an_interrupted_run_ends_the_evaluation_and_is_gone_on_with(tmp_path, settings):
    suite = suite_of("a", "b", "c")
    optimizer = ScriptedOptimizer(
        a=2.0, b=lambda problem, given: outcome(problem, given.out, None, status="interrupted")
    )
    report = evaluate(suite, settings, tmp_path, optimizer, ScriptedSecond(a=2.0))
    assert (report.status, report.exit_code, len(report.results)) == ("interrupted", 130, 1)
    first_folder = optimizer.settings[1].out
    again = ScriptedOptimizer(b=1.2, c=None)
    report = evaluate(suite, settings, tmp_path, again, ScriptedSecond(b=1.2))
    assert again.calls == ["b", "c"]
    assert again.settings[0].out == first_folder
    assert report.status == "complete"


def test_killed_between_run_and_second_judgement(tmp_path, settings):
    """The run is not repeated; only the judgement that is missing is made."""
    suite = suite_of("a")
    with pytest.raises(KeyboardInterrupt):
        evaluate(suite, settings, tmp_path, ScriptedOptimizer(a=2.0), ScriptedSecond(a=KeyboardInterrupt()))
    optimizer, second = ScriptedOptimizer(), ScriptedSecond(a=1.95)
    report = evaluate(suite, settings, tmp_path, optimizer, second)
    assert optimizer.calls == []
    assert [name for name, _ in second.calls] == ["a"]
    assert report.scores["agent"].agreeing == 1


@pytest.mark.parametrize(
    "error",
    [
        RequestError("the reference is not deterministic"),
        JudgeUnavailable("no memory"),
        SandboxError("gone"),
        RunError("disk full"),
    ],
)
def test_a_problem_that_fails_is_a_result_and_is_tried_again(tmp_path, settings, error):
    suite = suite_of("a", "b")
    report = evaluate(suite, settings, tmp_path, ScriptedOptimizer(a=error, b=2.0), ScriptedSecond(b=2.0))
    assert [result.status for result in report.results] == ["failed", "improved"]
    assert report.exit_code == 3
    assert report.scores["agent"].geometric_mean == pytest.approx(2.0**0.5)
    assert f"- a: {error}" in to_markdown(report)
    optimizer = ScriptedOptimizer(a=None)
    assert evaluate(suite, settings, tmp_path, optimizer, ScriptedSecond()).exit_code == 0
    assert optimizer.calls == ["a"]


def test_a_failed_outcome_is_a_failure(tmp_path, settings):
    def failed(problem: Problem, given: AgentSettings) -> Outcome:
        return outcome(problem, given.out, None, status="failed", message="the judge broke")

    report = evaluate(suite_of("a"), settings, tmp_path, ScriptedOptimizer(a=failed), ScriptedSecond())
    assert (report.results[0].status, report.results[0].message) == ("failed", "the judge broke")
    assert report.exit_code == 3


@pytest.mark.parametrize("error", [ModelRejected("wrong key"), SandboxUnavailable("no engine")])
def test_what_every_problem_would_meet_ends_it(tmp_path, settings, error):
    optimizer = ScriptedOptimizer(a=error, b=2.0)
    with pytest.raises(type(error)):
        evaluate(suite_of("a", "b"), settings, tmp_path, optimizer, ScriptedSecond())
    assert optimizer.calls == ["a"]


@pytest.mark.parametrize(
    "opinion",
    [
        verdict(1.5),
        Verdict(status="rejected", reason="wrong_output"),
    ],
)
def test_a_second_opinion_that_differs_is_told(tmp_path, settings, opinion):
    report = evaluate(
        suite_of("a", "b"), settings, tmp_path, ScriptedOptimizer(a=2.0, b=None), ScriptedSecond(a=opinion)
    )
    assert report.exit_code == 1
    assert report.scores["agent"].disagreeing == ("a",)
    assert "not on a" in to_markdown(report)
    assert "**no**" in to_markdown(report)


@pytest.mark.parametrize(
    "trouble",
    [
        Verdict(status="infrastructure_error", reason="sandbox"),
        JudgeUnavailable("no sandbox"),
        RequestError("no boundary"),
    ],
)
def test_trouble_of_the_second_judge_is_nobodys_disagreement(tmp_path, settings, trouble):
    suite = suite_of("a")
    report = evaluate(suite, settings, tmp_path, ScriptedOptimizer(a=2.0), ScriptedSecond(a=trouble))
    assert report.scores["agent"].disagreeing == ()
    assert report.results[0].agrees is None
    assert report.exit_code == 3
    report = evaluate(suite, settings, tmp_path, ScriptedOptimizer(), ScriptedSecond(a=2.0))
    assert report.exit_code == 0


def test_a_lost_champion_is_told_and_not_invented(tmp_path, settings):
    def lost(problem: Problem, given: AgentSettings) -> Outcome:
        found = outcome(problem, given.out, 2.0)
        Path(found.best["path"]).unlink()
        return found

    report = evaluate(suite_of("a"), settings, tmp_path, ScriptedOptimizer(a=lost), ScriptedSecond())
    assert "not judged again" in report.results[0].message
    assert report.exit_code == 3


def test_the_report_is_on_disk_after_every_problem(tmp_path, settings):
    seen: list[int] = []

    def look(problem: Problem, given: AgentSettings) -> Outcome:
        seen.append(len(json.loads((tmp_path / "report.json").read_text())["results"]))
        return outcome(problem, given.out, None)

    optimizer = ScriptedOptimizer(a=None, b=look, c=look)
    evaluate(suite_of("a", "b", "c"), settings, tmp_path, optimizer, ScriptedSecond())
    assert seen == [1, 2]
    assert json.loads((tmp_path / "report.json").read_text())["status"] == "complete"


def test_reports_round_trip(tmp_path, settings):
    report = evaluate(suite_of("a", "b"), settings, tmp_path, ScriptedOptimizer(a=2.0, b=None), ScriptedSecond(a=2.0))
    data = json.loads((tmp_path / "report.json").read_text())
    assert data == json.loads(json.dumps(to_json(report)))
    assert data["schema"] == "kernelwright.suite_report/2"
    assert data["results"][0]["first"]["schema"] == "kernelwright.verdict/1"
    assert (data["machine"]["cpu"], data["machine"]["torch"]) == (HOST.cpu, "2.13.0")
    again = SuiteReport.from_json(data)
    assert again == report
    assert to_markdown(again) == (tmp_path / "report.md").read_text()


def test_the_page_says_under_which_circumstances(tmp_path, settings):
    report = evaluate(suite_of("a"), settings, tmp_path, ScriptedOptimizer(a=2.0), ScriptedSecond(a=2.0))
    page = to_markdown(report)
    for fact in ("2 threads", "2.13.0", "seed 7", "bubblewrap", "measured", "`kernelwright eval mine`"):
        assert fact in page
    assert "| a | family | eager | 10 ms | 5 ms | 2.00 (1.90 to 2.10) | 2.00 (1.90 to 2.10) | yes |" in page
    assert "A Processor \\| with a bar" in page


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"schema": "kernelwright.suite_result/9"}', "null"])
def test_a_damaged_result_is_made_again(tmp_path, settings, damage):
    suite = suite_of("a")
    evaluate(suite, settings, tmp_path, ScriptedOptimizer(a=None), ScriptedSecond())
    (tmp_path / "results" / "agent-1" / "a.json").write_text(damage)
    optimizer = ScriptedOptimizer(a=None)
    assert evaluate(suite, settings, tmp_path, optimizer, ScriptedSecond()).exit_code == 0
    assert optimizer.calls == ["a"]


def test_results_round_trip():
    result = SuiteResult(key="k", name="a", family="f", first=verdict(2.0), second=verdict(2.5), host=HOST)
    data = json.loads(json.dumps(result.to_json()))
    assert data["agrees"] is False
    assert SuiteResult.from_json(data) == result


def test_a_folder_that_cannot_be_used(tmp_path, settings):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="choose another with --out"):
        evaluate(suite_of("a"), settings, tmp_path / "file", ScriptedOptimizer(), ScriptedSecond())
