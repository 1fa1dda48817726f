"""The examples, run as a reader would; what they print is checked, not only that they end."""

from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest

EXPECTED = {
    "01_evaluate_a_kernel.py": ["rms_norm_library: accepted", "rms_norm_without_gate: rejected", "wrong_output"],
    # whether it is faster depends on how busy the machine is; that it is right does not
    "02_optimize_with_builtin.py": ["s  accepted, ", " candidates, ", " accepted"],
    "03_scripted_model.py": ["tool: test_candidate -> ", "1 of 1 accepted"],
    "04_resume_a_run.py": ["killed: exit code -9", "each judged {1} time"],
    "05_memory_pays.py": ["first  ", "again, a third of the budget", "other shape, a third, no memory"],
}

# Whole runs; the README's quickstart is one that always runs.
SLOW = dict.fromkeys(EXPECTED, pytest.mark.slow)


@pytest.fixture(scope="module")
def examples(repository):
    return sorted((repository / "examples").glob("*.py"))


def test_every_example_is_numbered_has_a_main_and_is_run_here(examples):
    assert [path.name for path in examples] == sorted(EXPECTED)
    for number, path in enumerate(examples, start=1):
        assert path.name.startswith(f"{number:02d}_")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)
        assert f"python examples/{path.name}" in (ast.get_docstring(tree) or "")


@pytest.mark.torch
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", [pytest.param(name, marks=SLOW.get(name, ())) for name in sorted(EXPECTED)])
def test_an_example_runs(repository, name):
    done = subprocess.run(
        [sys.executable, repository / "examples" / name],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for part in EXPECTED[name]:
        assert part in done.stdout, done.stdout
