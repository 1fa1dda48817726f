"""What the log says has been done, asked in the ways a run asks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agent.events import Event
from agent.ledger import Ledger
from agent.nodes.propose import to_task


def ledger(*events: tuple[str, dict[str, Any]]) -> Ledger:
    return Ledger(Event(seq, "", 0.0, type_, data) for seq, (type_, data) in enumerate(events))


def judged(candidate: str, parent: str | None = None, speedup: float | None = 1.5, **changes: Any) -> Any:
    status = "rejected" if speedup is None else "accepted"
    verdict = {"status": status, "reason": None if speedup else "wrong_output", "speedup": speedup}
    facts = {
        "candidate": candidate, "parent": parent, "round": 0, "slot": 0, "language": "cpp", "strategy": "s",
        "source_artifact": "", "origin": "builtin", "seconds": 2.0, "verdict": verdict,
    }  # fmt: skip
    return "judged", {**facts, **changes}


def proposed(round_: int, slot: int, candidate: str | None, parent: str | None = None, **changes: Any) -> Any:
    place = {"round": round_, "slot": slot, "candidate": candidate, "parent": parent}
    return "proposed", {**place, "tokens": 10, "cost_usd": 0.5, **changes}


def test_a_log_of_an_earlier_version_is_read() -> None:
    node = ledger(judged("a")).node("a")
    assert (node.speedup, node.kind, node.traits, node.inspirations, node.roofline_fraction) == (1.5, "", (), (), None)


def test_a_lesson_that_comes_later_is_seen() -> None:
    log = ledger(judged("a"))
    assert log.node("a").lesson == ""
    log.note(Event(1, "", 0.0, "reflected", {"candidate": "a", "lesson": "wide"}))
    assert log.node("a").lesson == "wide"
    assert log.tree()[0].lesson == "wide"


def test_proposals_that_bring_nothing_are_held_against_the_parent() -> None:
    repeat = {"round": 2, "slot": 0, "candidate": "b", "parent": "a", "strategy": "", "same_as": "a"}
    log = ledger(judged("a"), proposed(1, 0, None, "a"), proposed(1, 1, "c", "a"))
    assert log.node("a").fruitless == 1
    log.note(Event(9, "", 0.0, "recognised", repeat))
    log.note(Event(10, "", 0.0, "recognised", repeat))
    assert log.node("a").fruitless == 2, "a fact counts once"
    assert log.repeats("a") == [repeat]
    assert log.repeats(None) == []


def test_the_first_of_its_likeness_is_the_one() -> None:
    log = ledger(judged("a", likeness="x"), judged("b", likeness="x"), judged("c", likeness=None))
    assert log.alike("x") == "a"
    assert log.alike("y") is None


def test_the_order_of_judging() -> None:
    broken = {"status": "infrastructure_error", "reason": "infrastructure.sandbox"}
    log = ledger(judged("b"), judged("x", verdict=broken), judged("a"), judged("b"))
    assert [node.id for node in log.tree()] == ["b", "a"]
    assert [node.id for node in log.first(1)] == ["b"]
    assert (log.place("a"), log.place("x")) == (1, None)


def test_what_was_paid() -> None:
    call = {"round": 1, "slot": 0, "tokens_in": 20, "tokens_out": 5, "cost_usd": 1.0}
    log = ledger(("model_call", call), ("model_call", call))
    assert (log.usage().tokens, log.usage().cost_usd) == (50, 2.0)
    log.note(Event(2, "", 0.0, *proposed(1, 0, "a")))
    assert (log.usage().tokens, log.usage().cost_usd) == (50, 2.0), "a proposal begun again was paid twice"
    log.note(Event(3, "", 0.0, *proposed(1, 1, "b")))
    assert (log.usage().tokens, log.usage().cost_usd) == (60, 2.5)
    log.note(Event(4, "", 0.0, *proposed(2, 0, "c", cost_usd=None)))
    assert log.usage().cost_usd is None


def test_what_a_judgement_takes() -> None:
    log = ledger(judged("a", speedup=None, seconds=1.0))
    assert log.judging_s() == 1.0
    log.note(Event(1, "", 0.0, *judged("b", seconds=4.0)))
    log.note(Event(2, "", 0.0, *judged("c", seconds=6.0)))
    assert log.judging_s() == pytest.approx(5.0)


def declined(number: int, slot: int, refusal: str | None) -> tuple[str, dict[str, Any]]:
    return "proposed", {"round": number, "slot": slot, "candidate": None, "refusal": refusal, "parent": None}


def test_why_earlier_rounds_came_to_nothing_is_told(tmp_path) -> None:
    log = ledger(
        *(declined(number, 0, f"reason {number}\n## Attempts") for number in range(4)),
        declined(4, 0, None),
        declined(5, 0, "this round's"),
    )
    settings = SimpleNamespace(target="cpu", language="cpp", seed=0, context_tokens=None, tune_trials=0, profiler=True)
    pick: Any = {
        "round": 5, "slot": 1, "slots": 2, "parent": None, "visible": [], "inspirations": [], "kind": "",
        "number": 4, "description": "", "baselines": {},
    }  # fmt: skip
    task = to_task(SimpleNamespace(ledger=log, settings=settings, store=None), pick, "builtin")  # type: ignore[arg-type]
    assert task.declined == tuple(f"round {number}: reason {number} ## Attempts" for number in (1, 2, 3))


@pytest.mark.parametrize(("kind", "shown"), [("", 1), ("draft", 0), ("restart", 0)])
def test_what_begins_anew_on_purpose_is_told_of_nothing(kind: str, shown: int) -> None:
    recalled = {
        "candidate": "r", "parent": None, "status": "recalled", "reason": None, "speedup": 2.0,
        "speedup_ci95": None, "strategy": "", "lesson": "", "source_artifact": "",
    }  # fmt: skip
    repeat = {"round": 0, "slot": 1, "candidate": "b", "parent": None, "strategy": "", "same_as": "a"}
    log = ledger(("recalled", {"attempts": [recalled], "seeds": []}), judged("a"), ("recognised", repeat))
    settings = SimpleNamespace(target="cpu", language="cpp", seed=0, context_tokens=None, tune_trials=0, profiler=True)
    pick: Any = {
        "round": 1, "slot": 0, "slots": 1, "parent": None, "visible": [], "inspirations": [], "kind": kind,
        "number": 4, "description": "", "baselines": {},
    }  # fmt: skip
    task = to_task(SimpleNamespace(ledger=log, settings=settings, store=None), pick, "builtin")  # type: ignore[arg-type]
    assert (len(task.recalled), len(task.repeats)) == (shown, shown)
    assert task.number == (None if shown else 4)
