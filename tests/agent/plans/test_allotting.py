"""Who comes next and what is left for whom: arithmetic."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.plans.allotting import Refusal, Spent, allot, next_entry
from agent.plans.events import PlanState
from agent.plans.plan import Budget, Entry, Plan, Source

NOW = datetime(2026, 11, 29, 22, 0, tzinfo=UTC)


def plan(*names: str, deadline: datetime | None = None, own: dict[str, dict[str, Any]] | None = None, **budget) -> Plan:
    source = Source(name="p", text="")
    about = {"problem": source, "settings": {}}
    return Plan(
        plan_id="id",
        name="night",
        file="night.toml",
        sha256="",
        started_at="",
        version="",
        deadline=deadline,
        budget=Budget(**budget),
        entries=tuple(Entry(name=name, budget=Budget(**(own or {}).get(name, {})), **about) for name in names),
    )


def after(*steps: tuple[str, str, dict[str, Any]]) -> PlanState:
    """A state after these: type, entry, data."""
    from agent.events import Event

    return PlanState.of(Event(0, "", 0.0, type_, {"entry": entry, **data}) for type_, entry, data in steps)


def started(name: str, **limits: float) -> tuple[str, str, dict[str, Any]]:
    return "entry_started", name, {"limits": limits}


def ended(name: str, *, again: bool) -> tuple[str, str, dict[str, Any]]:
    return "entry_ended", name, {"status": "failed", "message": "", "again": again}


def allotted(night: Plan, state: PlanState, name: str, spent: dict[str, Spent] | None = None) -> Budget | Refusal:
    return allot(night, state, night.entry(name), spent or {}, now=NOW.timestamp())


def test_nothing_is_bounded_that_nobody_bounds() -> None:
    assert allotted(plan("a", "b"), PlanState(), "a") == Budget()


def test_what_may_still_be_spent_by_who_is_tried_again_is_given_to_nobody() -> None:
    night = plan("a", "b", "c", dollars=6.0)
    state = after(started("a", dollars=2.0), ended("a", again=True))
    spent = {"a": Spent(dollars=0.2)}
    assert allotted(night, state, "b", spent) == Budget(dollars=2.0)
    done = after(started("a", dollars=2.0), ended("a", again=False))
    left = allotted(night, done, "b", spent)
    assert isinstance(left, Budget)
    assert left.dollars == pytest.approx(2.9)


def test_who_took_more_than_planned_leaves_less() -> None:
    night = plan("a", "b", seconds=600)
    state = after(started("a", seconds=300), ended("a", again=False))
    assert allotted(night, state, "b", {"a": Spent(seconds=400)}) == Budget(seconds=200)
    assert allotted(night, state, "b", {"a": Spent(seconds=650)}) == Refusal("seconds")


def test_a_budget_of_its_own_is_bounded_by_what_is_left() -> None:
    night = plan("a", "b", tokens=1000, own={"b": {"tokens": 800}})
    assert allotted(night, PlanState(), "a") == Budget(tokens=200)
    assert allotted(night, PlanState(), "b") == Budget(tokens=800)
    state = after(started("a", tokens=200), ended("a", again=False))
    assert allotted(night, state, "b", {"a": Spent(tokens=500)}) == Budget(tokens=500)


def test_the_time_until_the_deadline_is_shared_where_there_are_no_seconds() -> None:
    night = plan("a", "b", deadline=NOW + timedelta(hours=2))
    assert allotted(night, PlanState(), "a") == Budget(seconds=3600)
    bounded = plan("a", "b", deadline=NOW + timedelta(hours=2), seconds=36000)
    assert allotted(bounded, PlanState(), "a") == Budget(seconds=7200)
    late = plan("a", deadline=NOW - timedelta(seconds=1))
    assert allotted(late, PlanState(), "a") == Refusal("deadline")


def test_what_was_cut_short_comes_first_and_what_failed_last() -> None:
    night = plan("a", "b", "c")
    assert next_entry(night, PlanState()) == night.entry("a")
    state = after(started("a"), ended("a", again=True))
    assert next_entry(night, state) == night.entry("b")
    state = after(started("a"), ended("a", again=True), started("c"))
    assert next_entry(night, state) == night.entry("c")
    state = after(*(step for name in "abc" for step in (started(name), ended(name, again=False))))
    assert next_entry(night, state) is None
