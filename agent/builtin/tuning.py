"""Which plan to try next, from what was measured: coordinate search around the best, the likeliest change first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent.builtin.plan import Plan, parse_plan

Fingerprint = Callable[[Plan], str]
"""The text a plan leads to: plans that lead to the same text are one."""

_ATTEMPT = re.compile(
    r"^- (?P<id>[0-9a-f]+) parent=\S+ status=(?P<status>\w+) reason=(?P<reason>.*?) speedup=(?P<speedup>\S+) "
    r"ci=(?:none|\[.*?\]) strategy: (?P<strategy>.*)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Tried:
    """One earlier attempt, as the task text tells it."""

    id: str
    status: str
    reason: str
    speedup: float
    plan: Plan | None


def parse_attempts(section: str) -> list[Tried]:
    """Attempts of one section of the task text, in its order."""
    found = []
    for match in _ATTEMPT.finditer(section):
        speedup = 0.0 if match["speedup"] == "none" else float(match["speedup"])
        found.append(Tried(match["id"], match["status"], match["reason"], speedup, parse_plan(match["strategy"])))
    return found


def neighbours(plan: Plan) -> Iterator[Plan]:
    """Plans one change away, the change that helps most often first."""
    yield plan.but(stream=not plan.stream)
    yield plan.but(split=not plan.split)
    for block in (4096, 512, 2048, 256, 1024, 8192):
        if block != plan.block:
            yield plan.but(block=block)
    for tile in (64, 1024, 512, 128, 256, 32):
        if tile != plan.tile:
            yield plan.but(tile=tile)
    yield plan.but(cache=not plan.cache)
    yield plan.but(fast=not plan.fast)
    yield plan.but(exact=not plan.exact)
    if plan.threads != 1:
        yield plan.but(threads=1)


def drafts(recalled: list[Tried], writes_much: bool) -> list[Plan]:
    """First plans: what worked before, then the two ways to write results."""
    known = [t.plan for t in recalled if t.plan is not None and t.speedup > 0]
    return [*known[:1], Plan(stream=writes_much), Plan(stream=not writes_much), Plan(split=True, stream=writes_much)]


def next_plan(
    attempts: list[Tried], recalled: list[Tried], parent: str | None, slot: int, writes_much: bool, text_of: Fingerprint
) -> Plan | None:
    """The ``slot``-th untried plan in order of promise; None when everything within reach was tried."""
    done = {text_of(t.plan) for t in attempts if t.plan is not None}
    waiting = slot
    for plan in _promising(attempts, recalled, parent, writes_much):
        text = text_of(plan)
        if text in done:
            continue
        done.add(text)
        if waiting == 0:
            return plan
        waiting -= 1
    return None


def _promising(attempts: list[Tried], recalled: list[Tried], parent: str | None, writes_much: bool) -> Iterator[Plan]:
    first = drafts(recalled, writes_much)
    good = sorted(
        (t for t in attempts if t.status == "accepted" and t.plan), key=lambda t: (-t.speedup, t.id != parent, t.id)
    )
    wrong = [t for t in attempts if t.reason.startswith("wrong_output") and t.plan]
    if wrong and not good:  # numerics first: sums in double, the longer exponential
        plan = wrong[-1].plan
        assert plan is not None
        yield plan.but(exact=True, fast=False)
        yield plan.but(exact=True, fast=False, cache=False)
    if len(attempts) < 2:
        yield from first
    for tried in good:
        assert tried.plan is not None
        yield from neighbours(tried.plan)
    yield from first
