"""A process that is killed at some write, anywhere: resumed, it comes to the same end and pays for nothing twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("toy_faults.py")
SEED = 20261129
POINTS = 50
CALL_TOKENS = 100
SLOTS = 2
"""Conversations at once: so many calls can be in flight."""


def killed_at(folder: Path, points: Sequence[int]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), str(SEED), *map(str, points)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(PROGRAM.parent)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_run_killed_at_any_write_comes_to_the_same_end(tmp_path: Path) -> None:
    (unbroken,) = killed_at(tmp_path, [0])
    assert unbroken["came"]["counts"]["confirmed"] > 1, "the scenario is meant to fall back"
    assert unbroken["came"]["counts"]["proposed"] > unbroken["came"]["candidates"], "and to hold a duplicate"
    # The last writes are the outcome's and the graph's last checkpoint: how many there are may vary by one or two.
    points = sorted(random.Random(SEED).sample(range(1, unbroken["writes"] - 2), POINTS))
    broken = killed_at(tmp_path, points)
    assert [run["point"] for run in broken] == points
    for run in broken:
        where = f"killed at write {run['point']}"
        assert run["came"] == unbroken["came"], where
        assert run["active"], f"{where}: the clock went back"
        # What was in flight may have been done and not written down: one call a conversation, one judgement.
        assert 0 <= run["tokens"] - unbroken["tokens"] <= SLOTS * CALL_TOKENS, where
        assert run["replied"] == unbroken["replied"], f"{where}: a reply was written down twice, or lost"
        again = Counter(run["asked"]) - Counter(unbroken["asked"])
        alone, side_by_side = ("judge", "confirm"), ("compile", "check")
        for kinds, most in ((alone, 1), (side_by_side, SLOTS)):
            assert sum(again[one] for one in again if one.startswith(kinds)) <= most, f"{where}: asked again: {again}"
