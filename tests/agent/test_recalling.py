"""Memory in a run: what is recalled, judged first, remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.events import read_events
from agent.nodes.recall import recall
from agent.run import Outcome, Seams, optimize
from memory.errors import StoreError
from memory.experience import Experience
from memory.in_memory import InMemoryStore
from tools.fake_judge import FakeJudge, describe_softmax
from tools.problem import CaseFacts, TensorFacts


def run(toy, home: Path, judge: FakeJudge, propose, memory, **settings: Any) -> Outcome:
    seams = Seams(judge=judge, propose=propose, model=object(), memory=memory)
    return optimize(toy.PROBLEM, toy.settings(home, **settings), seams=seams)


def recalled_of(outcome: Outcome) -> dict[str, Any]:
    events = read_events(Path(outcome.run_dir) / "events.jsonl")
    return next(event.data for event in events if event.type == "recalled")


def other_shape():
    facts = TensorFacts(shape=(32, 99), dtype="float32")
    case = CaseFacts(name="default", inputs=(facts,), outputs=(facts,), bytes_moved=1, flops=1)
    return describe_softmax().model_copy(update={"cases": (case,)})


@pytest.fixture
def memory() -> InMemoryStore:
    return InMemoryStore()


def test_a_second_run_begins_with_the_champion_of_the_first(toy, home: Path, memory: InMemoryStore) -> None:
    def first(task, **_):
        return toy.proposal([110, 130, 150, 190][task.round * 2 + task.slot])

    before = run(toy, home, FakeJudge(toy.follow), first, memory)
    assert (before.recalled, before.stored, before.candidates_to_best) == (0, 5, 4)

    asked: list[Any] = []

    def second(task, **_):
        asked.append(task)
        return toy.proposal(None)

    judge = FakeJudge(toy.follow)
    after = run(toy, home, judge, second, memory)
    assert judge.judged[0] == toy.id_of(190)
    assert (after.status, after.candidates_to_best, after.tokens) == ("improved", 1, 60)
    assert after.recalled > 0
    assert asked[0].parent is not None
    assert asked[0].parent.strategy == "recalled: value 190"
    assert {one.status for one in asked[0].recalled} == {"recalled"}
    assert "same operator, same shapes" in asked[0].recalled[0].lesson

    third = run(toy, home, FakeJudge(toy.follow), second, memory)
    assert asked[-1].visible[0].strategy == "recalled: value 190", "the prefix does not pile up"
    assert third.candidates_to_best == 1


def test_what_was_slower_than_the_baselines_is_not_judged_again(toy, home: Path, memory: InMemoryStore) -> None:
    run(toy, home, FakeJudge(toy.follow), lambda task, **_: toy.proposal(90), memory, max_candidates=1)
    (hit,) = memory.search("value")
    assert (hit.experience.status, hit.experience.speedup) == ("accepted", pytest.approx(0.9))
    judge = FakeJudge(toy.follow)
    outcome = run(toy, home, judge, lambda task, **_: toy.proposal(150), memory, max_candidates=1)
    assert judge.judged[0] == toy.id_of(150)
    assert recalled_of(outcome)["seeds"] == []


def test_at_another_shape_the_source_is_shown_but_not_judged(toy, home: Path, memory: InMemoryStore) -> None:
    run(toy, home, FakeJudge(toy.follow), lambda task, **_: toy.proposal(150), memory, max_candidates=1)
    seen: list[Any] = []

    def propose(task, *, store, **_):
        seen.append([store.text(one.source_artifact) for one in task.recalled])
        return toy.proposal(170)

    judge = FakeJudge(toy.follow, description=other_shape())
    outcome = run(toy, home, judge, propose, memory, max_candidates=1)
    assert judge.judged == [toy.id_of(170)]
    assert toy.source_of(150) in seen[0]
    assert recalled_of(outcome)["seeds"] == []


def test_rejections_are_remembered_but_not_tried_again(toy, home: Path, memory: InMemoryStore) -> None:
    run(toy, home, FakeJudge(toy.follow), lambda task, **_: toy.proposal(100), memory, max_candidates=1)
    (hit,) = memory.search("value")
    assert (hit.experience.status, hit.experience.reason) == ("rejected", "wrong_output")
    assert "off by one" in hit.experience.lesson
    judge = FakeJudge(toy.follow)
    run(toy, home, judge, lambda task, **_: toy.proposal(150), memory, max_candidates=1)
    assert judge.judged == [toy.id_of(150)]


def test_experiences_say_where_they_come_from(toy, home: Path, memory: InMemoryStore) -> None:
    outcome = run(toy, home, FakeJudge(toy.follow), lambda task, **_: toy.proposal(150), memory, max_candidates=1)
    found = {hit.experience.confirmed: hit.experience for hit in memory.search("value")}
    assert set(found) == {False, True}
    confirmed = found[True]
    assert isinstance(confirmed, Experience)
    description = describe_softmax()
    assert (confirmed.run_id, confirmed.problem, confirmed.model) == (outcome.run_id, "toy", "builtin")
    assert confirmed.source == toy.source_of(150)
    assert confirmed.shape_signature == description.shape_signature
    assert confirmed.operators == description.operators
    assert (confirmed.hardware, confirmed.evidence) == (description.cpu, "measured")
    assert confirmed.speedup == 1.5
    assert "1.50x" in confirmed.lesson


def test_without_memory_nothing_is_recalled_or_stored(toy, home: Path) -> None:
    seams = Seams(judge=FakeJudge(toy.follow), propose=lambda task, **_: toy.proposal(150), model=object())
    outcome = optimize(toy.PROBLEM, toy.settings(home, memory=False, max_candidates=1), seams=seams)
    assert (outcome.recalled, outcome.stored) == (0, 0)
    assert not (home / "memory.db").exists()


def test_a_memory_that_fails_does_not_cost_the_run(toy, home: Path) -> None:
    class Broken(InMemoryStore):
        def recall(self, query):
            raise StoreError("memory.db is locked")

        def add(self, experience):
            raise StoreError("memory.db is locked")

    outcome = run(toy, home, FakeJudge(toy.follow), lambda task, **_: toy.proposal(150), Broken(), max_candidates=1)
    assert (outcome.status, outcome.recalled, outcome.stored) == ("improved", 0, 0)
    events = read_events(Path(outcome.run_dir) / "events.jsonl")
    assert "memory.db is locked" in str([event.data for event in events if event.type == "warning"])


def test_without_a_sandbox_only_what_the_builtin_model_wrote_is_run_again(
    toy, home: Path, memory: InMemoryStore
) -> None:
    """A language model's kernel must not slip past the sandbox by way of the memory."""
    wild = Seams(
        judge=FakeJudge(toy.follow), propose=lambda task, **_: toy.proposal(190), model=object(), memory=memory
    )
    optimize(toy.PROBLEM, toy.settings(home, model="openai:wild", max_candidates=1), seams=wild)
    tame = run(toy, home, FakeJudge(toy.follow), lambda task, **_: toy.proposal(150), memory, max_candidates=2)
    seed = recalled_of(tame)["seeds"][0]
    assert (seed["candidate"], seed["origin"]) == (toy.id_of(190), "openai:wild")

    from dataclasses import replace
    from types import SimpleNamespace

    context = _deps(toy, home, memory)
    for trusted_only, expected in ((False, toy.id_of(190)), (True, toy.id_of(150))):
        deps = replace(context, trusted_only=trusted_only, ledger=type(context.ledger)())
        state: Any = {"description": deps.store.put(describe_softmax().model_dump_json())}
        assert recall(state, SimpleNamespace(context=deps))["seeds"] == [expected]  # type: ignore[arg-type]
    context.log.close()


def _deps(toy, home: Path, memory: InMemoryStore):
    from agent.deps import Deps
    from agent.events import EventLog
    from agent.ledger import Ledger
    from agent.models.roster import Roster
    from agent.policies.greedy import GreedyPolicy
    from agent.steering import Steering
    from tools.artifacts import ArtifactStore

    log, ledger = EventLog(home / "events.jsonl"), Ledger()
    return Deps(
        run_id="r",
        folder=home,
        problem=toy.PROBLEM,
        settings=toy.settings(home),
        judge=FakeJudge({}),
        roster=Roster.plain({"builtin": object()}),
        propose=toy.climb,
        policy=GreedyPolicy(),
        store=ArtifactStore(home / "artifacts"),
        memory=memory,
        log=log,
        ledger=ledger,
        steering=Steering(home, toy.settings(home), ledger, log.emit),
    )
