"""Suites from a checkout of KernelBench, or from any folder in its layout; the files are read, never changed.

A folder ``level1`` .. ``level4`` holds one problem a file, ``19_ReLU.py``, numbered from 1. ``kernelbench:PATH`` names
a checkout, its folder of levels, or one level. Levels become families: a score by level is a score by family.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from evals.errors import SuiteError
from evals.suite import Suite, SuiteProblem
from tools.errors import RequestError
from tools.problem import Problem, load_problem

PREFIX: Final = "kernelbench:"
_LEVEL = re.compile(r"level(\d+)")
_FILE = re.compile(r"(\d+)_(.+)\.py")


def load_kernelbench(text: str, target: str) -> Suite:
    """The suite that ``kernelbench:PATH`` names, by level and number. Raises SuiteError, one line.

    A file that cannot be a problem is a member all the same, one that says why: no file is left out in silence.
    """
    path = Path(text.removeprefix(PREFIX)).expanduser()
    levels = _levels(path)
    members = [_member(file, level.name) for level in levels for file in _numbered(level)]
    if not members:
        raise SuiteError(f"{path} holds no problems: files are called like level1/19_ReLU.py")
    name = "kernelbench" if len(levels) > 1 else f"kernelbench-{levels[0].name}"
    return Suite(name, "Problems in KernelBench's layout, the files unchanged.", target, tuple(members))


def _levels(path: Path) -> list[Path]:
    """The folders with problems, in order."""
    if not path.is_dir():
        raise SuiteError(f"no folder {path}: give a checkout of KernelBench, or one of its levels")
    if _LEVEL.fullmatch(path.resolve().name):
        return [path.resolve()]
    for root in (path, path / "KernelBench"):  # a checkout has them one folder further down
        found = (
            [item for item in root.iterdir() if item.is_dir() and _LEVEL.fullmatch(item.name)] if root.is_dir() else []
        )
        if found:
            return sorted(found, key=lambda item: int(item.name.removeprefix("level")))
    raise SuiteError(f"{path} has no folders level1 to level4: give a checkout of KernelBench, or one of its levels")


def _numbered(level: Path) -> list[Path]:
    matches = [(found, path) for path in level.iterdir() if (found := _FILE.fullmatch(path.name))]
    return [path for _, path in sorted(matches, key=lambda item: (int(item[0][1]), item[0][2]))]


def _member(file: Path, level: str) -> SuiteProblem:
    name = f"{level}_{file.stem}"
    try:
        problem = load_problem(file)
    except RequestError as error:
        raw = file.read_bytes() if file.is_file() else b""
        whole = hashlib.sha256(raw).hexdigest()
        why = str(error).replace(str(file), f"{level}/{file.name}")  # a score is read on other machines
        return SuiteProblem(Problem(name, ""), level, refusal=why, sha256=whole)
    return SuiteProblem(Problem(name, problem.source), level)
