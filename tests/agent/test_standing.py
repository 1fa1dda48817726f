"""What a proposal may know of earlier verdicts: only of those that it may see, from the log, as they were given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.ledger import Ledger
from agent.run import Seams, optimize
from agent.standing import Standings
from tests.agent.test_ledger import judged, ledger, proposed
from tests.agent.test_run_with_model import replies, source
from tools.artifacts import ArtifactStore
from tools.candidate import Candidate
from tools.fake_judge import FakeJudge, accepted
from tools.profiling.diagnosis import Diagnosis


def with_verdicts(store: ArtifactStore) -> Ledger:
    profile = store.put(Diagnosis(profiler="ncu", bound="memory").model_dump_json())
    verdict = accepted(1.5).to_json()
    return ledger(
        proposed(0, 0, "a", profile=profile),
        judged("a", verdict=verdict, round=0, slot=0),
        judged("b", verdict=verdict, round=0, slot=0),
    )


def test_verdicts_and_profiles_come_from_the_log_and_only_of_what_is_visible(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    seen = Standings(with_verdicts(store), store, {"r": 2.5}, frozenset({"a", "later"}))
    assert list(seen) == ["a", "r"]
    assert len(seen) == 2
    assert seen["a"].verdict is not None
    assert seen["a"].verdict.speedup == 1.5
    assert seen["a"].profile is not None
    assert seen["r"].elsewhere == 2.5
    for hidden in ("b", "later", "nobody"):
        assert seen.get(hidden) is None


def test_a_profile_of_another_candidate_is_not_taken_for_its_own(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    assert Standings(with_verdicts(store), store, {}, frozenset("b"))["b"].profile is None


def test_a_model_compares_what_was_judged_in_earlier_rounds(toy, home: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    names = [Candidate(source=source(value), language="cpp").id for value in (110, 150)]
    compares = {"tool_calls": [{"name": "compare_candidates", "args": {"first": names[0], "second": names[1]}}]}
    decline = [{"tool_calls": [{"name": "decline", "args": {"reason": "out of ideas"}}]}]
    entries = [
        {"round": 0, "slot": 0, "replies": replies(110)},
        {"round": 0, "slot": 1, "replies": replies(150)},
        {"round": 1, "slot": 0, "replies": [compares, *replies(190)]},
        {"replies": decline},
    ]
    script.write_text(json.dumps({"proposals": entries}))
    settings = toy.settings(home, model=f"scripted:{script}", max_candidates=12)
    judge = FakeJudge(toy.follow)
    outcome = optimize(toy.PROBLEM, settings, seams=Seams(judge=judge))
    text = (Path(outcome.run_dir) / "transcript.jsonl").read_text()
    assert "speed-up: 1.100 [1.089, 1.111] | 1.500 [1.485, 1.515]" in text
    assert "so: the second is faster" in text
    assert judge.judged.count(names[0]) == 1  # nothing is judged anew


def test_an_unknown_candidate_is_none(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        Standings(ledger(), ArtifactStore(tmp_path))["a"]
