"""A judge by itself, outside of any run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sandbox.base import Sandbox
from tools.judging import SandboxedJudge
from tools.problem import JudgeSettings, Problem


@contextmanager
def single_judge(
    problem: Problem, sandbox: Sandbox, settings: JudgeSettings, home: Path, **about: Any
) -> Iterator[SandboxedJudge]:
    """A judge outside of any run: it works in a temporary folder and shares the baselines' cache under ``home``.

    ``about``: language, target and seed, as the judge takes them.
    """
    cache = home / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kernelwright-") as work:
        judge = SandboxedJudge(problem, sandbox, settings, Path(work), cache_dir=cache, **about)
        with closing(judge):
            yield judge
