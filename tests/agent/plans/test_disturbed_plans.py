"""kill -9 three times, a full disk, a model that is out: the plan ends complete, within its budgets, nothing twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAM = Path(__file__).with_name("toy_night.py")


def night(folder: Path, *kills: int) -> dict[str, Any]:
    places = (REPOSITORY, PROGRAM.parent, PROGRAM.parent.parent)
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(folder), *map(str, kills)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return night(tmp_path_factory.mktemp("whole") / "night")


def is_in_order(told: dict[str, Any]) -> None:
    outcome = told["outcome"]
    assert outcome["status"] == "complete"
    assert {row["status"] for row in outcome["entries"]} <= {"improved", "no_improvement"}
    assert told["twice"] == []
    assert told["gapless"]
    assert outcome["candidates"] == told["judged"] <= 15
    assert outcome["tokens"] <= 100000
    assert outcome["cost_usd"] <= 20.0
    assert outcome["elapsed_s"] <= 600.0
    for row in outcome["entries"]:
        assert row["candidates"] <= row["limits"]["candidates"]
        assert row["elapsed_s"] <= row["limits"]["seconds"]


def test_an_unbroken_night_meets_a_full_disk_and_a_model_that_is_out(whole: dict[str, Any]) -> None:
    is_in_order(whole)
    assert whole["judged"] == whole["asked"]
    for type_ in ("waiting", "waited", "model_paused", "model_resumed"):
        assert whole["types"][type_], type_
    assert whole["order"] == ["c", "f", "b", "e", "a", "d"]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_night_that_is_killed_three_times_comes_to_the_same_end(tmp_path: Path, whole: dict, seed: int) -> None:
    lot = random.Random(seed)
    kills = [lot.randrange(2, sum(whole["types"].values()) // 4) for _ in range(3)]
    told = night(tmp_path / "night", *kills)
    is_in_order(told)
    assert told["types"]["plan_resumed"] == 3
    assert told["order"] == whole["order"], "no operator was begun twice"
    # A judgement that was going on when the process ended is made again: it had not been written down.
    assert told["judged"] <= told["asked"] <= told["judged"] + 3
    assert told["champions"] == whole["champions"]
