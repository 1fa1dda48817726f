"""Which plan to try next, from what was measured: coordinate search around the best, the likeliest change first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from agent.builtin.plan import Choices, Plan, parse_choices

Fingerprint = Callable[[Choices], str | None]
"""The text a plan leads to: plans that lead to the same text are one. None for a plan that leads to none."""

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
    plan: Choices | None


@dataclass(frozen=True)
class Space:
    """The plans of one language, and the order in which they are worth trying."""

    default: Choices
    neighbours: Callable[[Choices], Iterator[Choices]]
    """Plans one change away."""
    drafts: Callable[[bool], list[Choices]]
    """First plans, for a kernel that writes much or little."""
    careful: Callable[[Choices], Iterator[Choices]]
    """What is tried after a wrong answer."""


def parse_attempts(section: str, default: Choices | None = None) -> list[Tried]:
    """Attempts of one section of the task text, in its order; what their plans leave out is as in ``default``."""
    found = []
    for match in _ATTEMPT.finditer(section):
        speedup = 0.0 if match["speedup"] == "none" else float(match["speedup"])
        plan = parse_choices(match["strategy"], Plan() if default is None else default)
        found.append(Tried(match["id"], match["status"], match["reason"], speedup, plan))
    return found


def neighbours(plan: Choices) -> Iterator[Choices]:
    """Plans one change away, the change that helps most often first."""
    assert isinstance(plan, Plan)
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


def first_plans(writes_much: bool) -> list[Choices]:
    """The two ways to write results, then rows shared by threads."""
    return [Plan(stream=writes_much), Plan(stream=not writes_much), Plan(split=True, stream=writes_much)]


def careful(plan: Choices) -> Iterator[Choices]:
    """Numerics first: sums in double, the longer exponential."""
    yield plan.but(exact=True, fast=False)
    yield plan.but(exact=True, fast=False, cache=False)


CPP = Space(Plan(), neighbours, first_plans, careful)


def drafts(recalled: list[Tried], writes_much: bool, space: Space = CPP) -> list[Choices]:
    """First plans: what worked before, then those of the language."""
    known = [t.plan for t in recalled if t.plan is not None and t.speedup > 1]
    return [*known[:1], *space.drafts(writes_much)]


def next_plan(
    attempts: list[Tried],
    recalled: list[Tried],
    parent: str | None,
    slot: int,
    writes_much: bool,
    text_of: Fingerprint,
    space: Space = CPP,
    mate: str | None = None,
) -> Choices | None:
    """The ``slot``-th untried plan in order of promise; None when everything within reach was tried."""
    done = {text_of(t.plan) for t in attempts if t.plan is not None}
    waiting = slot
    for plan in _promising(attempts, drafts(recalled, writes_much, space), (parent, mate), space):
        text = text_of(plan)
        if text is None or text in done:
            continue
        done.add(text)
        if waiting == 0:
            return plan
        waiting -= 1
    return None


def crossed(plan: Choices, mate: Choices) -> Iterator[Choices]:
    """A plan with one choice of another one, then with all the later half."""
    differing = [field.name for field in fields(plan) if getattr(plan, field.name) != getattr(mate, field.name)]
    for name in differing:
        yield plan.but(**{name: getattr(mate, name)})
    yield plan.but(**{name: getattr(mate, name) for name in differing[len(differing) // 2 :]})


def _promising(
    attempts: list[Tried], first: list[Choices], parents: tuple[str | None, str | None], space: Space
) -> Iterator[Choices]:
    # What the search builds upon comes before what is fastest: other branches are the business of other proposals.
    good = sorted(
        (t for t in attempts if t.status == "accepted" and t.plan), key=lambda t: (t.id != parents[0], -t.speedup, t.id)
    )
    plans = {t.id: t.plan for t in good}
    plan, mate = (plans.get(name or "") for name in parents)
    if plan is not None and mate is not None:
        yield from crossed(plan, mate)
    wrong = [t for t in attempts if t.reason.startswith("wrong_output") and t.plan]
    if wrong and not good:
        plan = wrong[-1].plan
        assert plan is not None
        yield from space.careful(plan)
    if len(attempts) < 2:
        yield from first
    for tried in good:
        assert tried.plan is not None
        yield from space.neighbours(tried.plan)
    yield from first
    for plan in first:
        yield from space.neighbours(plan)
