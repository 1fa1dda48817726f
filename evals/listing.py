"""A suite's problems as files: for ``optimize`` and ``evaluate``, and to be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from evals.errors import SuiteError
from evals.suite import Suite, SuiteProblem

PROBLEMS_SCHEMA: Final = "kernelwright.problems/1"


def write_problems(suite: Suite, folder: Path) -> dict[str, Any]:
    """Write each problem to ``folder/NAME.py``; plain JSON of what was written, and why the others are no problems.

    A file that is there and says something else is left as it is. Raises SuiteError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rows = [_row(item, folder) for item in suite.problems]
    except OSError as error:
        raise SuiteError(
            f"cannot write problems to {folder}: {error.strerror}: choose another with --problems"
        ) from error
    return {
        "schema": PROBLEMS_SCHEMA,
        "suite": suite.name,
        "suite_id": suite.id,
        "target": suite.target,
        "settings": dict(suite.settings),
        "problems": rows,
    }


def _row(item: SuiteProblem, folder: Path) -> dict[str, Any]:
    path = folder / f"{item.name}.py"
    if not item.refusal:
        if path.exists() and path.read_bytes() != item.problem.source.encode():
            raise SuiteError(f"{path} is there and says something else: choose another folder with --problems")
        path.write_text(item.problem.source, encoding="utf-8")
    return {
        "name": item.name,
        "family": item.family,
        "path": None if item.refusal else str(path),
        "sha256": item.file_hash,
        "refusal": item.refusal or None,
    }
