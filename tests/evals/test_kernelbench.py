"""Suites from folders in KernelBench's layout; the whole run of one, killed on its way."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.settings import AgentSettings
from evals.comparing import compare
from evals.errors import SuiteError
from evals.kernelbench import load_kernelbench
from evals.page import to_markdown
from evals.reporting import read_suite_report
from evals.runner import run_suite

TEXT = "class Model: pass\ndef get_inputs(): return []\n"
# Stands for the agent: says which problem it is given, and kills the evaluation where it is told to.
WORKER = """
import os, signal, sys
from pathlib import Path
from agent.outcome import Outcome
from agent.settings import AgentSettings
from evals.kernelbench import load_kernelbench
from evals.runner import run_suite

folder, out, calls, deadly = sys.argv[1:]

def optimizer(problem, settings, subscribers):
    with open(calls, "a") as file:
        file.write(problem.name + "\\n")
    if problem.name == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome("r", "no_improvement", problem.name, "builtin", "cpu", "cpp", 1, 0, 1.0, 0, 0.0, 0, 0, None,
                   str(settings.out), "stall", "", None)

report = run_suite(load_kernelbench("kernelbench:" + folder, "cpu"), AgentSettings(), Path(out), optimizer=optimizer)
sys.exit(report.exit_code)
"""


def lay(root: Path, *names: str, text: str = TEXT) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def made(tmp_path, repository) -> Path:
    folder = tmp_path / "made"
    subprocess.run([sys.executable, repository / "scripts/make_problem_folder.py", folder, "100"], check=True)
    return folder


def test_problems_come_by_level_and_number(tmp_path):
    lay(
        tmp_path / "KernelBench",
        "level2/1_A.py",
        "level1/10_B.py",
        "level1/9_C.py",
        "level1/notes.py",
        "level10/1_D.py",
    )
    suite = load_kernelbench(f"kernelbench:{tmp_path}", "cpu")
    assert [item.name for item in suite.problems] == ["level1_9_C", "level1_10_B", "level2_1_A", "level10_1_D"]
    assert [item.family for item in suite.problems] == ["level1", "level1", "level2", "level10"]
    one = load_kernelbench(f"kernelbench:{tmp_path}/KernelBench/level1", "cpu")
    assert (one.name, len(one.problems)) == ("kernelbench-level1", 2)
    assert suite.id != one.id


@pytest.mark.parametrize(("pattern", "left"), [("level2", 1), ("*_B", 1), ("*_A,*_C", 2), ("level?_*", 3)])
def test_only_chooses_by_name_or_level(tmp_path, pattern, left):
    lay(tmp_path, "level2/1_A.py", "level1/10_B.py", "level1/9_C.py")
    assert len(load_kernelbench(f"kernelbench:{tmp_path}", "cpu").only(pattern).problems) == left


def test_what_is_wrong_is_said(tmp_path):
    lay(tmp_path, "level1/readme.txt")
    for text, says in (
        (f"{tmp_path}/x", "no folder"),
        (tmp_path, "holds no problems"),
        (tmp_path / "level1", "holds no"),
    ):
        with pytest.raises(SuiteError, match=says):
            load_kernelbench(f"kernelbench:{text}", "cpu")
    lay(tmp_path, "level1/1_A.py")
    with pytest.raises(SuiteError, match="no problem of"):
        load_kernelbench(f"kernelbench:{tmp_path}", "cpu").only("zzz")


def test_a_file_that_is_no_problem_is_a_row_that_says_why(tmp_path):
    lay(tmp_path, "level1/1_Broken.py", text="def (:\n")
    lay(tmp_path, "level1/2_Other.py", text="x = 1\n")
    (tmp_path / "level1/3_Bytes.py").write_bytes(b"\xff\xfe")
    suite = load_kernelbench(f"kernelbench:{tmp_path}", "cpu")

    def never(problem, settings, subscribers):
        raise AssertionError("it is no problem")

    report = run_suite(suite, AgentSettings(), tmp_path / "out", optimizer=never)
    assert report.status == "complete"
    assert [result.status for result in report.results] == ["failed"] * 3
    for result, says in zip(report.results, ("syntax error", "defines no Model", "not UTF-8"), strict=True):
        assert says in result.error
        assert says in to_markdown(report)
        assert str(tmp_path) not in result.error
    assert report.results[0].error.startswith("level1/1_Broken.py:1: syntax error")
    assert report.results[2].sha256 == hashlib.sha256(b"\xff\xfe").hexdigest()


def test_the_made_folder_has_many_kinds_and_stays_as_it_is(made, tmp_path):
    files = sorted(made.rglob("*.py"))
    texts = {path: path.read_bytes() for path in files}
    assert len(files) == len(set(texts.values())) == 100
    suite = load_kernelbench(f"kernelbench:{made}", "cpu")
    assert not any(item.refusal for item in suite.problems)
    assert {item.file_hash for item in suite.problems} == {hashlib.sha256(raw).hexdigest() for raw in texts.values()}
    assert {path: path.read_bytes() for path in files} == texts


@pytest.mark.slow
def test_a_killed_evaluation_loses_only_the_problem_in_flight(made, tmp_path, repository):
    calls = tmp_path / "calls"
    names = [item.name for item in load_kernelbench(f"kernelbench:{made}", "cpu").problems]

    def start(deadly: str) -> int:
        argv = [sys.executable, "-c", WORKER, str(made), str(tmp_path / "out"), str(calls), deadly]
        return subprocess.run(argv, cwd=repository, capture_output=True, check=False).returncode

    deaths = [names[0], names[37], names[38], names[99]]
    assert [start(name) for name in deaths] == [-signal.SIGKILL] * 4
    assert start("") == 0
    expected = [name for name in names for _ in range(2 if name in deaths else 1)]
    assert calls.read_text().split() == expected
    report = read_suite_report(tmp_path / "out")
    assert (report.status, report.scores["agent"].problems) == ("complete", 100)
    assert compare(report, report).word == "same"
