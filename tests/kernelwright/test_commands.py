"""The commands about runs, on real run folders: the agent's own loop with a scripted judge and proposer."""

from __future__ import annotations

import functools
import json
import re
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

import agent.run
from agent.proposing import Proposal
from kernelwright import api
from sandbox.base import Isolation
from tests.agent.toy_search import proposal, source_of, value_of
from tools.errors import RequestError
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.verdict import Verdict

PROBLEM = "class Model: ...\ndef get_inputs(): ...\n"
RUN_KEYS = {
    "schema", "run_id", "status", "problem", "model", "target", "language", "candidates", "accepted", "elapsed_s",
    "tokens", "cost_usd", "recalled", "stored", "best", "run_dir", "stop_reason", "message", "candidates_to_best",
    "models", "starts",
}  # fmt: skip
VERDICT_KEYS = {
    "schema", "status", "reason", "detail", "target", "language", "evidence", "isolation", "speedup", "speedup_ci95",
    "worst_case_speedup", "baselines", "cases", "roofline_fraction", "artifacts", "precision", "error", "eager_error",
}  # fmt: skip


def judge_by_value(source: str) -> Verdict:
    """The value is the speed-up in percent; what 4 divides is wrong."""
    value = value_of(source)
    return rejected("wrong_output", "off by\none") if value % 4 == 0 else accepted(value / 100)


def propose_values(values, task, **_) -> Proposal:
    index = task.round * task.slots + task.slot
    return proposal(values[index] if index < len(values) else None, tokens=100, cost_usd=0.0)


@pytest.fixture
def problem(tmp_path) -> Path:
    path = tmp_path / "softmax.py"
    path.write_text(PROBLEM)
    return path


@pytest.fixture
def engine(monkeypatch):
    """Put a scripted judge and proposer into the agent that the commands call."""

    def put_in(*values: int, judge=None, **seams):
        given = agent.run.Seams(
            judge=judge or FakeJudge(judge_by_value),
            propose=functools.partial(propose_values, values),
            model=object(),
            **seams,
        )
        real_optimize, real_resume = agent.run.optimize, agent.run.resume
        monkeypatch.setattr(agent.run, "optimize", functools.partial(real_optimize, seams=given))
        monkeypatch.setattr(agent.run, "resume", functools.partial(real_resume, seams=given))

    return put_in


def test_an_improvement(command, engine, problem):
    engine(110, 112, 150)
    answer = command("optimize", problem, "--max-candidates", "3")
    assert answer.code == 0
    assert "1.50x [1.48, 1.52] over the best baseline" in answer.out
    assert "best.py" in answer.out
    lines = answer.err.splitlines()
    assert all(re.match(r"\[ +\d+\.\d+s\] ", line) for line in lines)
    assert any("rejected: wrong_output: off by one: value 112" in line for line in lines)
    assert lines[-1].endswith("confirmed: 1.50x [1.48, 1.52]")


def test_the_outcome_as_json(command, engine, problem):
    engine(110, 112, 150)
    answer = command("optimize", problem, "--max-candidates", "3", "--json")
    assert answer.code == 0
    outcome = answer.json
    assert set(outcome) == RUN_KEYS
    assert (outcome["schema"], outcome["status"]) == ("kernelwright.run/1", "improved")
    assert (outcome["candidates"], outcome["accepted"], outcome["best"]["speedup"]) == (3, 2, 1.5)
    assert set(outcome["best"]) >= VERDICT_KEYS | {"path"}
    assert Path(outcome["best"]["path"]).read_text() == source_of(150)


def test_a_run_starts_from_a_kernel_of_ones_own(command, engine, problem, tmp_path):
    engine(90, 90, 170, 190)  # the first round is the kernel's
    mine = tmp_path / "mine.py"
    mine.write_text(source_of(150))
    answer = command("optimize", problem, "--max-candidates", "3", "--start", mine)
    assert answer.code == 0
    assert "mine.py: accepted, 1.50x [" in answer.out
    assert "1.27x" in answer.out
    missing = command("optimize", problem, "--start", tmp_path / "none.py")
    assert missing.code == 2
    assert "no candidate file at" in missing.err
    text = command("export", command("runs", "--json").json["runs"][0]["run_id"]).out
    assert text.strip() == source_of(190).strip()


def test_a_case_that_is_lost_is_told_beside_the_mean():
    from kernelwright.wording import verdict_line, verdict_rows
    from tools.fake_judge import accepted
    from tools.verdict import CaseVerdict, Timing

    timing = Timing(median_s=1.0, p5_s=1.0, p95_s=1.0, samples=1)
    cases = tuple(
        CaseVerdict(
            name=name,
            speedup=value,
            speedup_ci95=(value - 0.1, value + 0.1),
            candidate=timing,
            baselines={},
            aa_spread=0.0,
        )
        for name, value in (("small", 0.6), ("large", 4.0), ("middle", 0.95))
    )
    verdict = accepted(1.3).model_copy(update={"cases": cases, "worst_case_speedup": 0.6}).to_json()
    assert verdict_line(verdict).endswith("faster but slower in small")
    rows = dict(verdict_rows(verdict))
    assert rows["  small"] == "0.60x [0.50, 0.70], slower than the best baseline"
    assert rows["  middle"] == "0.95x [0.85, 1.05]", "what may be even is not lost"
    assert verdict_line({**verdict, "cases": verdict["cases"][1:]}).endswith("faster")


def test_no_improvement_is_exit_code_1(command, engine, problem):
    engine(90, 97)
    answer = command("optimize", problem, "--max-candidates", "2", "--json")
    assert (answer.code, answer.json["status"], answer.json["best"]) == (1, "no_improvement", None)
    run = answer.json["run_id"]
    exported = command("export", run, "--json")
    assert (exported.code, exported.json["source"]) == (1, None)


@pytest.fixture
def finished(command, engine, problem) -> str:
    engine(110, 112, 150)
    return command("optimize", problem, "--max-candidates", "3", "--json").json["run_id"]


def test_runs(command, finished):
    (row,) = command("runs", "--json").json["runs"]
    assert (row["run_id"], row["status"], row["problem"], row["target"]) == (finished, "improved", "softmax", "cpu")
    assert row["started_at"].startswith("20")
    text = command("runs").out
    assert finished in text
    assert "1.50x" in text


def test_show(command, finished):
    shown = command("show", finished, "--json").json
    assert (shown["schema"], shown["status"], shown["speedup"]) == ("kernelwright.show/1", "improved", 1.5)
    assert [row["strategy"] for row in shown["candidates"]] == ["value 110", "value 112", "value 150"]
    assert all(row["lesson"] for row in shown["candidates"])
    assert shown["outcome"]["run_id"] == finished
    text = command("show", finished[:-2]).out
    assert "rejected: wrong_output: off by one" in text
    assert "best.py" in text


def test_report(command, finished):
    text = command("report", finished).out
    assert text.startswith("# ")
    assert command("report", finished, "--json").json["report"].strip() == text.strip()
    assert command("report", finished, "--format", "markdown").out == text
    facts = command("report", finished, "--format", "json").json
    assert (facts["schema"], facts["verdict"]["speedup"]) == ("kernelwright.report/2", 1.5)
    page = command("report", finished, "--format", "html")
    assert (page.code, page.out.startswith("<!DOCTYPE html>"), page.out.count("1.500x") > 1) == (0, True, True)
    told = command("report", finished, "--format", "html", "--json").json
    assert told["report"] == Path(told["path"]).read_text(), "it is what the run left"
    assert "--format" in command("report", finished, "--format", "pdf").is_one_line(2)


def test_export(command, finished, tmp_path):
    assert command("export", finished).out == source_of(150)
    target = tmp_path / "mine.py"
    target.write_text("old")
    assert command("export", finished, "--to", target).code == 0
    assert target.read_text() == source_of(150)
    assert [path.name for path in tmp_path.glob(".mine*")] == []
    assert "--to" in command("export", finished, "--to", tmp_path / "no" / "folder.py").is_one_line(2)


def test_resuming_what_has_ended_answers_the_same(command, finished):
    answer = command("resume", finished, "--json")
    assert (answer.code, answer.json["run_id"], answer.json["best"]["speedup"]) == (0, finished, 1.5)


def test_an_interrupted_run_is_kept_shown_and_resumed(command, engine, problem):
    from agent.stopping import StopFlag

    stop = StopFlag()

    def stopping(source: str) -> Verdict:
        stop.request("SIGINT")
        return judge_by_value(source)

    engine(110, 130, 150, judge=FakeJudge(stopping), stop=stop)
    answer = command("optimize", problem, "--max-candidates", "3", "--json")
    assert (answer.code, answer.json["status"]) == (130, "interrupted")
    run = answer.json["run_id"]
    shown = command("show", run, "--json").json
    assert (shown["status"], len(shown["candidates"])) == ("interrupted", 1)
    assert f"kernelwright resume {run}" in command("report", run).is_one_line(2)
    assert f"kernelwright resume {run}" in command("export", run).is_one_line(2)


def test_resume_goes_on(command, engine, problem, monkeypatch):
    from agent.stopping import StopFlag

    first = StopFlag()

    def stopping(source: str) -> Verdict:
        first.request("SIGINT")
        return judge_by_value(source)

    with monkeypatch.context() as patch:
        seams = agent.run.Seams(
            judge=FakeJudge(stopping),
            propose=functools.partial(propose_values, (110, 130, 150)),
            model=object(),
            stop=first,
        )
        patch.setattr(agent.run, "optimize", functools.partial(agent.run.optimize, seams=seams))
        run = command("optimize", problem, "--max-candidates", "3", "--json").json["run_id"]
    judge = FakeJudge(judge_by_value)
    engine(110, 130, 150, judge=judge)
    answer = command("resume", run)
    assert answer.code == 0
    assert "1 judged already" in answer.err
    assert len(judge.judged) == 2
    assert "3 candidates judged" in answer.out


def test_a_problem_the_builtin_model_refuses(command, engine, problem, monkeypatch):
    refusal = "this operator needs a language model: convolution"

    def refuse(task, **_):
        return Proposal(None, "", refusal, True, 0, 0.0, 1, 1, ())

    seams = agent.run.Seams(judge=FakeJudge({}), propose=refuse, model=object())
    monkeypatch.setattr(agent.run, "optimize", functools.partial(agent.run.optimize, seams=seams))
    answer = command("optimize", problem)
    assert answer.code == 1
    assert refusal in answer.out


@pytest.fixture
def verdicts(monkeypatch):
    """Let ``evaluate`` answer this verdict instead of starting processes; the settings it was given."""
    seen = []

    def answer(verdict: Verdict):
        @contextmanager
        def single_judge(problem, sandbox, settings, home, **about):
            def judge(candidate, notice):
                seen.append((problem, candidate, SimpleNamespace(**about, home=home, judging=settings)))
                notice("timing 1/12")
                return verdict

            def confirm(candidate, notice):
                return judge(candidate, notice).model_copy(update={"confirmed": True})

            yield SimpleNamespace(judge=judge, confirm=confirm)

        monkeypatch.setattr("tools.opening.single_judge", single_judge)
        monkeypatch.setattr(api, "open_boundary", lambda settings: FakeBox())
        return seen

    return answer


class FakeBox:
    isolation = Isolation.PROCESS

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def candidate(tmp_path) -> Path:
    path = tmp_path / "candidate.py"
    path.write_text(source_of(1))
    return path


def test_evaluate_accepts(command, verdicts, problem, candidate):
    seen = verdicts(accepted(1.5))
    answer = command("evaluate", problem, candidate, "--language", "python", "--blocks", "8")
    assert answer.code == 0
    assert "accepted, 1.50x" in answer.out
    assert answer.err.endswith("s] timing 1/12\n")
    assert "confirmed in fresh processes" in answer.out
    (_, judged, settings), (_, again, _) = seen
    assert judged == again
    assert (judged.source, judged.language, settings.judging.blocks) == (source_of(1), "python", 8)


def test_evaluate_rejects(command, verdicts, problem, candidate):
    verdicts(rejected("compile_error").model_copy(update={"log": "kernel.cpp:1: error: no"}))
    answer = command("evaluate", problem, candidate)
    assert answer.code == 1
    assert "rejected: compile_error" in answer.out
    assert answer.out.endswith("kernel.cpp:1: error: no\n")


def test_evaluate_as_json(command, verdicts, problem, candidate):
    verdicts(rejected("wrong_output.shape", "expected 3"))
    answer = command("evaluate", problem, candidate, "--json")
    assert set(answer.json) >= VERDICT_KEYS
    assert (answer.code, answer.json["schema"], answer.json["reason"]) == (
        1,
        "kernelwright.verdict/1",
        "wrong_output.shape",
    )


def test_a_judge_that_could_not_judge_is_infrastructure(command, verdicts, problem, candidate):
    verdicts(Verdict(status="infrastructure_error", reason="infrastructure.sandbox", detail="it broke"))
    answer = command("evaluate", problem, candidate, "--json")
    assert (answer.code, answer.json["status"]) == (3, "infrastructure_error")


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "no candidate file"), (b"\xff\xfe", "UTF-8"), (b"#" * (2 << 20), "at most")],
)
def test_a_candidate_file_that_cannot_be_read(command, problem, tmp_path, content, says):
    path = tmp_path / "odd.py"
    if content is not None:
        path.write_bytes(content)
    assert says in command("evaluate", problem, path).is_one_line(2)
    assert "is a folder" in command("evaluate", problem, tmp_path).is_one_line(2)


def test_no_sandbox_no_judgement(monkeypatch):
    """A candidate file counts as hostile: a plain child process is not enough unless somebody says so."""
    from agent.settings import AgentSettings

    box = FakeBox()
    monkeypatch.setattr("sandbox.opening.open_sandbox", lambda isolation: box)
    with pytest.raises(RequestError, match="--allow-unsandboxed"):
        api.open_boundary(AgentSettings())
    assert box.closed
    assert api.open_boundary(AgentSettings(allow_unsandboxed=True)) is box


def test_every_command_s_json_has_a_schema(command, finished):
    for words in (["doctor"], ["targets"], ["runs"], ["show", finished], ["report", finished], ["export", finished]):
        answer = command(*words, "--json")
        assert re.fullmatch(r"kernelwright\.\w+/1", json.loads(answer.out)["schema"])
