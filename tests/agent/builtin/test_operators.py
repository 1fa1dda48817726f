"""Generated code against the reference for many operators in many spellings, at awkward sizes."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.builtin.plan import Plan

ROOT = Path(__file__).parents[3]
OPERATORS = sorted((ROOT / "tests/fixtures/operators").glob("*.py"))
BEYOND = {
    "gather_negative_bool_mask": "_local_scalar_dense",
    "scan_extreme_positions": "positions of maxima",
    "pool_unbatched_lp_indices": "positions of maxima",
    "scatter_forms": "scatter_add",
}
"""Outside the families: the builtin model must say which operator it is, never compute it wrongly."""
VARIANTS = (
    Plan(),
    Plan(block=256, tile=32, cache=False, stream=True, exact=True, fast=False, split=True),
)

pytestmark = pytest.mark.torch


def run(plan: Plan, files: list[Path], folder: Path) -> list[dict]:
    folder.mkdir()
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("check_operators.py")), str(plan)]
    environment = {**os.environ, "KERNELWRIGHT_BUILD_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *map(str, files)], capture_output=True, text=True, env=environment, timeout=280, cwd=folder
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, dict]:
    """Each file under one of the two plans, in turn; two processes at a time."""
    folder = tmp_path_factory.mktemp("operators")
    jobs = [(plan, OPERATORS[start::4]) for start, plan in enumerate(VARIANTS * 2)]
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda job: run(job[1][0], job[1][1], folder / str(job[0])), enumerate(jobs))
    return {entry["name"]: entry for entries in found for entry in entries}


@pytest.mark.parametrize("name", [path.stem for path in OPERATORS])
def test_generated_code_agrees_with_the_reference(outcomes, name):
    entry = outcomes[name]
    if name in BEYOND:
        assert entry["outcome"] == "unsupported"
        assert BEYOND[name] in entry["detail"]
    else:
        assert entry["outcome"] == "ok", entry["detail"]
