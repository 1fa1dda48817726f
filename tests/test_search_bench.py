"""The landscapes that policies are compared on: their optimum is what they say, and a search on them repeats."""

from __future__ import annotations

import importlib.util
import itertools
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.policies.phases import Phases
from agent.policies.registry import POLICIES, make_policy


@pytest.fixture(scope="module")
def bench(repository: Path) -> Any:
    loaded = []
    for name in ("record_plans", "landscapes", "bench_search"):
        spec = importlib.util.spec_from_file_location(name, repository / "scripts" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        loaded.append(module)
    return loaded[-1]


@pytest.mark.parametrize("name", ["schools", "rugged"])
def test_the_optimum_is_the_best_there_is(bench: Any, name: str) -> None:
    landscape = bench.LANDSCAPES[name](3)
    if name == "rugged":
        every = itertools.product((0, 1), repeat=landscape.N)
    else:
        chance = random.Random(0)
        tops = [(school, *knobs) for school, knobs in enumerate(landscape.best)]
        every = [*tops, *(landscape.mutate(chance.choice(tops), chance) for _ in range(500))]
    best = max(speedup for speedup in map(landscape.speedup, every) if speedup is not None)
    assert best == pytest.approx(landscape.optimum)


def test_the_bait_is_better_than_what_leads_to_the_optimum(bench: Any) -> None:
    landscape = bench.Schools(3)
    aim = landscape.best[3]
    nearly = [(3, *aim[:at], (aim[at] + 1) % landscape.LEVELS, *aim[at + 1 :]) for at in range(landscape.KNOBS)]
    halfway = (3, *aim[:3], *((level + 1) % landscape.LEVELS for level in aim[3:]))
    bait = landscape.speedup((0, *landscape.best[0]))
    assert (landscape.speedup(halfway) or 0.0) < bait < landscape.speedup((3, *aim))
    assert any((landscape.speedup(genome) or 0.0) > bait for genome in nearly), "the last steps pay"


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_a_search_repeats_and_keeps_to_its_budget(bench: Any, policy: str) -> None:
    curves = [
        bench.search(bench.Schools(1), make_policy(policy), Phases(drafts=4, restart_after=10), 40, seed=1)
        for _ in range(2)
    ]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 40
    assert curves[0] == sorted(curves[0])


def test_recorded_programs_are_a_landscape(bench: Any, tmp_path: Path) -> None:
    """Plans that lead to one program are one genome; one that was not measured is never proposed."""
    plan = "plan block={} tile=256 cache=1 stream={} fast=1 exact=0 threads=0 split=0"
    rows: list[dict[str, Any]] = [{"problem": "softmax"}]
    measured = [((1024, 512), 0, 1.5), ((1024, 512), 1, None), ((2048,), 0, 2.5)]
    for number, (blocks, stream, speedup) in enumerate(measured):
        plans = [plan.format(block, stream) for block in blocks]
        rows.append({"program": f"{number}", "speedup": speedup, "plans": plans})
    path = tmp_path / "softmax.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows) + '{"program": "cut o')
    known = bench.Recorded(path)
    assert (known.optimum, sorted(map(str, known.known.values()))) == (2.5, ["1.5", "2.5", "None"])
    chance = random.Random(0)
    proposed = [known.fresh(chance) for _ in range(20)]
    proposed += [known.mutate(genome, chance) for genome in proposed]
    assert {*proposed} <= {*known.known}
    assert {known.speedup(genome) for genome in proposed} <= {1.5, 2.5, None}
    curve = bench.search(known, make_policy("greedy"), Phases(), 3, seed=0)
    assert max(curve) == 2.5
