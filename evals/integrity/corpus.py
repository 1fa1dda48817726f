"""Reading the corpus: each program says in its docstring what it tries, and what has to come of it."""

from __future__ import annotations

import ast
import random
import re
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from evals.errors import SuiteError
from tools.candidate import Candidate
from tools.parsing import parse
from tools.problem import Problem, load_problem

FOLDER = Path(__file__).parent
PROBLEMS = FOLDER / "problems"
_FOLDERS = {"cpu": ("attacks", "honest"), "cuda": ("gpu_attacks", "gpu_honest")}

Expectation = Literal["rejected", "truth", "accepted"]
"""``rejected``: it answers wrongly or tampers. ``truth``: it may be accepted, with the speed that it really has, which
is eager's or less. ``accepted``: it is honest.
"""
PROVE_NOTHING = ("compile_error", "import_error", "no_model_new", "runtime_error")
"""Reasons for which a program that is merely broken is rejected: its trick was never tried. One that is meant to be
rejected like that says so.
"""


@dataclass(frozen=True)
class Program:
    """One candidate of the corpus."""

    name: str
    row: str
    """Number in the catalogue of attacks (``T3``: docs/attacks.md), or ``honest``."""
    form: str
    """``plain``, ``disguised`` or ``honest``."""
    title: str
    problem: str
    needs: str
    """``cpu`` or ``cuda``."""
    expect: Expectation
    source: str
    package: str | None = None
    """That it imports and that need not be installed."""
    reasons: tuple[str, ...] = ()
    """For which it may be rejected, as patterns (``cheat.*``); empty: any but those of ``PROVE_NOTHING``."""

    @property
    def is_honest(self) -> bool:
        """Whether rejecting it would be wrong."""
        return self.row == "honest"

    def is_stopped_by(self, reason: str) -> bool:
        """Whether a rejection for this reason shows that its trick was tried and seen, or stopped."""
        if self.reasons:
            return any(fnmatch(reason, pattern) for pattern in self.reasons)
        return reason not in PROVE_NOTHING

    @property
    def candidate(self) -> Candidate:
        """As the judge takes it."""
        language = "cpp" if "load_library" in self.source else "python"
        return Candidate(source=self.source, language=language)

    def load_problem(self) -> Problem:
        """What it answers."""
        return load_problem(PROBLEMS / f"{self.problem}.py")


def load_corpus(needs: str = "cpu") -> list[Program]:
    """Every program that needs this, by problem and name. Raises SuiteError for one that does not say what it is."""
    programs = []
    for folder in _FOLDERS[needs]:
        for path in sorted((FOLDER / folder).glob("*.py")):
            programs.append(read_program(path.stem, path.read_text(encoding="utf-8")))
    for program in programs:
        if program.needs != needs:
            raise SuiteError(f"{program.name} needs {program.needs}, but lies among those that need {needs}")
    return sorted(programs, key=lambda item: (item.problem, item.is_honest, item.row, item.name))


def drawn(programs: list[Program], count: int, seed: int) -> list[Program]:
    """So many of them by lot, of as few problems as that takes, because a problem costs as much as several programs."""
    lot = random.Random(seed)  # noqa: S311 - which ones, no secret
    by_problem: dict[str, list[Program]] = {}
    for program in programs:
        by_problem.setdefault(program.problem, []).append(program)
    problems = sorted(by_problem)
    lot.shuffle(problems)
    chosen: list[Program] = []
    for problem in problems:
        mine = by_problem[problem]
        share = min(len(mine), max(1, count // 2), count - len(chosen))
        chosen += lot.sample(mine, share)
    return sorted(chosen, key=programs.index)


def read_program(name: str, source: str) -> Program:
    """Read its docstring. Raises SuiteError, one line."""
    try:
        text = ast.get_docstring(parse(source)) or ""
    except SyntaxError as error:
        raise SuiteError(f"{name} is not Python: line {error.lineno}: {error.msg}") from error
    facts = {}
    for line in text.splitlines():
        key, colon, value = line.partition(": ")
        if colon and key in {"row", "form", "problem", "needs", "expect", "reasons", "stage", "package"}:
            facts[key] = value.strip()
    missing = {"row", "form", "problem", "needs"} - facts.keys()
    if missing:
        raise SuiteError(f"{name} does not name its {', '.join(sorted(missing))}")
    expect = facts.get("expect", "accepted" if facts["row"] == "honest" else "rejected")
    if expect not in ("rejected", "truth", "accepted"):
        raise SuiteError(f"{name} expects {expect}: it must be rejected, truth or accepted")
    reasons = tuple(pattern.strip() for pattern in facts["reasons"].split(",")) if "reasons" in facts else ()
    if reasons and (expect == "accepted" or not all(re.fullmatch(r"[a-z_.*]+", pattern) for pattern in reasons)):
        raise SuiteError(
            f"{name} has the reasons {facts['reasons']}: name codes or patterns, with commas, and none of an honest one"
        )
    if not (PROBLEMS / f"{facts['problem']}.py").is_file():
        raise SuiteError(f"{name} answers {facts['problem']}, which is no problem of the corpus")
    return Program(
        name=name,
        row=facts["row"],
        form=facts["form"],
        title=text.split("\n\n")[0].replace("\n", " ").strip(),
        problem=facts["problem"],
        needs=facts["needs"],
        expect=expect,  # type: ignore[arg-type]
        source=source,
        package=facts.get("package"),
        reasons=reasons,
    )
