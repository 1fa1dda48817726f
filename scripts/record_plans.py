"""Measures every C++ program that the builtin model can write for a problem, for policies to be replayed upon.

Usage: python scripts/record_plans.py PROBLEM [--out FOLDER] [--minutes 10] [--seed 0]

Quick measurements beside the best baseline (``Judge.measure``), in random order, written one by one; what a file there
has is not measured again. ``bench_search.py --landscapes FOLDER/NAME.jsonl`` searches among them.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.builtin.plan import Plan
from agent.builtin.program import generate
from sandbox.opening import open_sandbox
from tools.candidate import Candidate
from tools.judging import SandboxedJudge
from tools.problem import Description, JudgeSettings, load_problem

LEVELS: dict[str, tuple[int | bool, ...]] = {
    "block": (256, 512, 1024, 2048, 4096, 8192),
    "tile": (32, 64, 128, 256, 512, 1024),
    "cache": (True, False),
    "stream": (False, True),
    "fast": (True, False),
    "exact": (False, True),
    "threads": (0, 1),
    "split": (False, True),
}
"""What the builtin model varies, and to what (``agent.builtin.tuning.neighbours``)."""


def plans() -> Iterator[Plan]:
    """All of them."""
    for values in itertools.product(*LEVELS.values()):
        yield Plan(**dict(zip(LEVELS, values, strict=True)))  # type: ignore[arg-type]


def programs(description: Description, source: str) -> dict[str, tuple[str, list[str]]]:
    """Digest of a program without its plan to its text and the plans that lead to it."""
    assert description.graph is not None, description.graph_error
    found: dict[str, tuple[str, list[str]]] = {}
    for plan in plans():
        text = generate(description.graph, source, plan, description.threads)
        digest = hashlib.sha256(text.replace(str(plan), "").encode()).hexdigest()[:16]
        found.setdefault(digest, (text, []))[1].append(str(plan))
    return found


def main() -> int:
    """Measure what is missing; 1 if time was up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problem", type=Path)
    parser.add_argument("--out", type=Path, default=Path("recorded-plans"))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    options = parser.parse_args()
    problem = load_problem(options.problem)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{problem.name}.jsonl"
    known = {row["program"] for row in rows_of(path) if "program" in row}
    end = time.monotonic() + 60 * options.minutes
    with closing(open_sandbox(None)) as sandbox, tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with closing(SandboxedJudge(problem, sandbox, JudgeSettings(), Path(folder))) as judge:
            description = judge.describe()
            judge.baselines()
            todo = [item for item in programs(description, problem.source).items() if item[0] not in known]
            random.Random(options.seed).shuffle(todo)  # noqa: S311 - an order, not a secret
            with path.open("a", encoding="utf-8") as file:
                if not known:
                    about = {"problem": problem.name, "sha256": problem.id, "cpu": description.cpu}
                    file.write(json.dumps({**about, "began": f"{datetime.now(UTC):%Y-%m-%d %H:%M}"}) + "\n")
                for number, (digest, (text, names)) in enumerate(todo, 1):
                    if time.monotonic() > end:
                        sys.stderr.write(f"{path}: {len(todo) - number + 1} programs are missing\n")
                        return 1
                    measured = judge.measure(Candidate(source=text, language="cpp"))
                    row: dict[str, Any] = {"program": digest, "speedup": measured.speedup, "reason": measured.reason}
                    file.write(json.dumps({**row, "plans": names}) + "\n")
                    file.flush()
                    sys.stderr.write(f"{number}/{len(todo)} {measured.speedup or measured.reason}\n")
    return 0


def rows_of(path: Path) -> list[dict[str, Any]]:
    """What was written, without a last line that was cut off."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
