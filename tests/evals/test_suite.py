"""Suite files: those that ship, and every way in which one can be wrong."""

from __future__ import annotations

import ast
import json
from collections import Counter

import pytest

from evals.errors import SuiteError
from evals.suite import known_suites, load_suite
from tools.errors import RequestError

FAMILIES = {
    "pointwise",
    "reduction",
    "softmax",
    "normalisation",
    "scan",
    "loss",
    "pooling",
    "embedding",
    "matmul",
}
PROBLEM = "class Model: pass\ndef get_inputs(): return []\n"


@pytest.fixture(scope="module")
def cpu():
    return load_suite("cpu")


def write_suite(folder, **changes):
    data = {
        "schema": "kernelwright.suite/1",
        "name": "mine",
        "problems": [{"path": "a.py", "family": "x"}],
        **changes,
    }
    (folder / "a.py").write_text(PROBLEM)
    path = folder / "mine.json"
    path.write_text(json.dumps({name: value for name, value in data.items() if value is not None}))
    return path


def test_the_cpu_suite_covers_every_family_twice(cpu):
    assert "cpu" in known_suites()
    families = Counter(item.family for item in cpu.problems)
    assert set(families) == FAMILIES
    assert min(families.values()) >= 2
    assert len(cpu.problems) >= 28


def test_the_cpu_suite_names_every_problem_file(cpu, repository):
    files = {path.stem for path in (repository / "evals" / "problems" / "cpu").glob("*.py")}
    assert {item.name for item in cpu.problems} == files


def test_problem_files_are_written_as_users_write_them(cpu):
    for item in cpu.problems:
        tree = ast.parse(item.problem.source)
        documented = ast.get_docstring(tree)
        assert documented, item.name
        assert "\n" not in documented, item.name
        modules = {
            (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert modules <= {"torch", "math"}, item.name
        defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
        assert {"Model", "get_inputs", "get_init_inputs"} <= defined, item.name


def test_paths_are_relative_to_the_suite_file(tmp_path, monkeypatch):
    path = write_suite(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    suite = load_suite(path)
    assert [(item.name, item.family) for item in suite.problems] == [("a", "x")]
    assert suite.target == "cpu"


def test_the_id_follows_the_problems_text(tmp_path):
    path = write_suite(tmp_path)
    before = load_suite(path).id
    assert load_suite(path).id == before
    (tmp_path / "a.py").write_text(PROBLEM + "# another\n")
    assert load_suite(path).id != before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "kernelwright.suite/9"}, "schema"),
        ({"schema": None}, "schema"),
        ({"problems": []}, "problems"),
        ({"problems": [{"path": "missing.py"}]}, "no problem file"),
        ({"problems": [{"path": "a.py"}, {"path": "sub/../a.py"}]}, "two problems are called a"),
        ({"problems": [{"file": "a.py"}]}, r"problems\.0\.path"),
        ({"name": "../escape"}, "name"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_suite_file_is_one_line(tmp_path, changes, message):
    (tmp_path / "sub").mkdir()
    path = write_suite(tmp_path, **changes)
    with pytest.raises(SuiteError, match=message) as caught:
        load_suite(path)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, RequestError)


def test_a_suite_that_is_no_json(tmp_path):
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(SuiteError, match=r"broken\.json"):
        load_suite(path)


def test_an_unknown_suite_lists_the_known_ones():
    with pytest.raises(SuiteError, match="no suite gpu-of-my-dreams: give one of cpu"):
        load_suite("gpu-of-my-dreams")


def test_a_suite_may_fix_settings_and_have_bars(tmp_path):
    problems = [{"path": "a.py", "least": 1.3}]
    suite = load_suite(write_suite(tmp_path, settings={"max_candidates": 2}, problems=problems))
    assert (suite.settings, suite.least) == ({"max_candidates": 2}, {"a": 1.3})
    assert load_suite("cpu").least == {}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"settings": {"luck": 1}}, "luck is no setting"),
        ({"settings": {"api_key": "x"}}, "api_key is no setting"),
        ({"problems": [{"path": "a.py", "least": -1}]}, "least"),
    ],
)
def test_wrong_settings_and_bars_are_told(tmp_path, changes, says):
    with pytest.raises(SuiteError, match=says):
        load_suite(write_suite(tmp_path, **changes))
