"""What the event log says has been done: asked before anything costly is done again.

Fed with every event, those of earlier stretches of the run first. An event type listed in ``IDENTITY``
happens once for each identity; the first one counts, so that a step repeated after a kill finds what it did
before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Self

from agent.events import Event, without_collecting
from agent.tree import Node, to_node

IDENTITY: dict[str, tuple[str, ...]] = {
    "run_started": (),
    "described": (),
    "baselines_measured": (),
    "at_floor": (),
    "recalled": (),
    "round_started": ("round",),
    "researched": ("round", "slot"),
    "proposed": ("round", "slot"),
    "replied": ("round", "slot", "step", "origin"),
    "answered": ("round", "slot", "number"),
    "recognised": ("round", "slot"),
    "judged": ("candidate",),
    "tuning": ("candidate",),
    "setting_tried": ("candidate", "number"),
    "setting_again": ("candidate", "turn"),
    "tuned": ("candidate",),
    "reflected": ("candidate",),
    "remembered": ("candidate", "confirmed"),
    "champion": ("candidate",),
    "round_ended": ("round",),
    "search_ended": (),
    "confirmed": ("candidate",),
    "start_confirmed": ("candidate",),
    "run_finished": (),
    "steered": ("request",),
}
_CALLS = frozenset({"model_asked", "model_call", "proposed"})
_VERDICTS = frozenset({"judged", "confirmed", "start_confirmed"})
MAX_REPEATS = 40
"""A model is told of so many proposals that were the same as another one."""


@dataclass(frozen=True)
class Usage:
    """What models were paid."""

    tokens: int = 0
    cost_usd: float | None = 0.0
    """None as soon as some of it is unknown."""

    @classmethod
    def of(cls, call: Mapping[str, Any]) -> Self:
        """What the data of a call or a proposal say."""
        cost, tokens = call.get("cost_usd"), call.get("tokens")
        if tokens is None:
            tokens = call.get("tokens_in", 0) + call.get("tokens_out", 0)
        return cls(tokens, None if cost is None else float(cost))

    def plus(self, more: Usage) -> Self:
        """Both together."""
        cost = None if self.cost_usd is None or more.cost_usd is None else self.cost_usd + more.cost_usd
        return type(self)(self.tokens + more.tokens, cost)


_NOTHING = Usage()
Slot = tuple[Any, ...]
"""A proposal's round and place in it."""
Paid = dict[str, Usage]
"""By model."""


class Ledger:
    """Facts by type and identity, and running totals. Written by the event log, one event at a time.

    Whatever is asked after every candidate takes no longer in a large tree than in a small one, but for
    copying the list of nodes.
    """

    def __init__(self, history: Iterable[Event] = ()) -> None:
        self._facts: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {kind: {} for kind in IDENTITY}
        self._calls: dict[Slot, Paid] = {}
        """Of proposals that have not ended."""
        self._asked: dict[Slot, tuple[str, Usage]] = {}
        """Calls whose end was not seen yet, at their worst."""
        self._ended: dict[Slot, Paid] = {}
        """Of proposals that have."""
        self._settled: Paid = {}
        """Of all those together."""
        self._answered: set[str] = set()
        self._judging = {"accepted": (0, 0.0), "rejected": (0, 0.0)}
        self._order: list[str] = []
        """Judged candidates."""
        self._place: dict[str, int] = {}
        self._nodes: dict[str, Node] = {}
        """As far as they were asked for."""
        self._fruitless: dict[str, int] = {}
        self._repeats: dict[str | None, list[dict[str, Any]]] = {}
        self._alike: dict[str, str] = {}
        """Likeness to the first candidate judged of it."""
        self._tries: dict[str, list[dict[str, Any]]] = {}
        self._again: dict[str, list[dict[str, Any]]] = {}
        self._capped: dict[Slot, str] = {}
        """Proposals that ended at a cap which still stands as it did."""
        with without_collecting():
            for event in history:
                self.note(event)

    def note(self, event: Event) -> None:
        """Take in one event."""
        type_, data = event.type, event.data
        if type_ in _CALLS:
            self._note_call(type_, data)
        key_of = _KEYS.get(type_)
        if key_of is None:
            if type_ == "resumed":
                self._resumed()
            return
        facts, key = self._facts[type_], key_of(data)
        if key in facts or (type_ in _VERDICTS and _is_unjudged(data)):
            return
        facts[key] = data
        handler = _HANDLERS.get(type_)
        if handler is not None:
            handler(self, data)

    def _resumed(self) -> None:
        # A failed run that is taken up again is no longer finished.
        self._facts["run_finished"].clear()
        for slot in list(self._asked):
            self._calls[slot] = self._paid(slot)
        self._asked.clear()

    def _note_call(self, type_: str, data: dict[str, Any]) -> None:
        slot = (data.get("round"), data.get("slot"))
        self._asked.pop(slot, None)
        if type_ == "proposed":
            return
        model = str(data.get("model", ""))
        if type_ == "model_call":
            _add(self._calls.setdefault(slot, {}), {model: Usage.of(data)})
            if data.get("finish") != "lost":
                self._answered.add(model)
        elif data["tokens"]:
            self._asked[slot] = (model, Usage.of(data))

    def _paid(self, slot: Slot) -> Paid:
        """What the calls of a proposal took, the one under way included."""
        calls = dict(self._calls.get(slot, {}))
        if slot in self._asked:
            model, worst = self._asked[slot]
            calls[model] = calls.get(model, _NOTHING).plus(worst)
        return calls

    def find(self, type_: str, *identity: Any) -> dict[str, Any] | None:
        """Data of the event of this type and identity, or None if it has not happened."""
        return self._facts[type_].get(identity)

    def all(self, type_: str) -> list[dict[str, Any]]:
        """Data of all events of a type that has an identity, in order."""
        return list(self._facts[type_].values())

    def node(self, candidate: str) -> Node:
        """A judged candidate. Raises KeyError if it was not judged."""
        known = self._nodes.get(candidate)
        if known is None:
            judged = self._facts["judged"][candidate,]
            lesson = (self.find("reflected", candidate) or {}).get("lesson", "")
            known = to_node(judged, lesson, self._fruitless.get(candidate, 0))
            self._nodes[candidate] = known
        return known

    def tree(self, candidates: Sequence[str] | None = None) -> list[Node]:
        """The candidates named, or all, in order of judging."""
        return [self.node(candidate) for candidate in (self._order if candidates is None else candidates)]

    def first(self, count: int) -> list[Node]:
        """The first candidates that were judged."""
        return self.tree(self._order[:count])

    def place(self, candidate: str) -> int | None:
        """How many candidates were judged before this one; None for one that was not judged."""
        return self._place.get(candidate)

    def alike(self, likeness: str) -> str | None:
        """The candidate judged first of those of this likeness (``tools.likeness``)."""
        return self._alike.get(likeness)

    def repeats(self, parent: str | None) -> list[dict[str, Any]]:
        """The last proposals from a candidate, or from nothing, that were the same as another one."""
        return self._repeats.get(parent, [])[-MAX_REPEATS:]

    def tries(self, candidate: str) -> list[dict[str, Any]]:
        """Data of the settings of a candidate that were tried, in order."""
        return list(self._tries.get(candidate, ()))

    def again(self, candidate: str) -> list[dict[str, Any]]:
        """Data of the settings of a candidate that were measured again, in order."""
        return list(self._again.get(candidate, ()))

    def judging_s(self) -> float:
        """Mean seconds of a whole judgement; 0 while none is known. Rejections end early: they count last."""
        count, total = self._judging["accepted"] if self._judging["accepted"][0] else self._judging["rejected"]
        return total / count if count else 0.0

    def capped(self, round_: Any, slot: Any) -> str | None:
        """The cap at which a proposal ended, unless a person has set it anew since."""
        return self._capped.get((round_, slot))

    def answered(self) -> frozenset[str]:
        """Models that have answered in this run."""
        return frozenset(self._answered)

    def usage(self) -> Usage:
        """Tokens and dollars of the whole run: finished proposals, and calls of those a kill cut off."""
        total = _NOTHING
        for usage in self.usage_by_model().values():
            total = total.plus(usage)
        return total

    def usage_by_model(self) -> dict[str, Usage]:
        """The same for each model."""
        totals = dict(self._settled)
        for slot in sorted({*self._calls, *self._asked}, key=str):
            _add(totals, self._paid(slot))
        return totals

    def slot_usage(self, round_: Any, slot: Any) -> dict[str, Usage]:
        """What was paid for one proposal: several models may have worked on it, one after another."""
        ended = self._ended.get((round_, slot))
        return self._paid((round_, slot)) if ended is None else ended

    def _judged(self, data: dict[str, Any]) -> None:
        candidate, status = data["candidate"], data["verdict"]["status"]
        self._place[candidate] = len(self._order)
        self._order.append(candidate)
        count, total = self._judging[status]
        self._judging[status] = (count + 1, total + data["seconds"])
        if data.get("likeness"):
            self._alike.setdefault(data["likeness"], candidate)

    def _reflected(self, data: dict[str, Any]) -> None:
        self._nodes.pop(data["candidate"], None)

    def _setting_tried(self, data: dict[str, Any]) -> None:
        self._tries.setdefault(data["candidate"], []).append(data)

    def _setting_again(self, data: dict[str, Any]) -> None:
        self._again.setdefault(data["candidate"], []).append(data)

    def _proposed(self, data: dict[str, Any]) -> None:
        slot = data["round"], data["slot"]
        self._ended[slot] = paid = _paid_in_all(self._calls.pop(slot, {}), data)
        _add(self._settled, paid)
        if data.get("capped"):
            self._capped[slot] = data["capped"]
        if data.get("candidate") is None:
            self._count_fruitless(data)

    def _steered(self, data: dict[str, Any]) -> None:
        if data["kind"] == "limit" and data["refused"] is None:
            self._capped = {slot: cap for slot, cap in self._capped.items() if cap != data["limit"]}

    def _recognised(self, data: dict[str, Any]) -> None:
        self._repeats.setdefault(data["parent"], []).append(data)
        self._count_fruitless(data)

    def _count_fruitless(self, data: dict[str, Any]) -> None:
        parent = data.get("parent")
        if parent is not None:
            self._fruitless[parent] = self._fruitless.get(parent, 0) + 1
            self._nodes.pop(parent, None)


_HANDLERS: dict[str, Callable[[Ledger, dict[str, Any]], None]] = {
    "judged": Ledger._judged,
    "setting_tried": Ledger._setting_tried,
    "setting_again": Ledger._setting_again,
    "reflected": Ledger._reflected,
    "proposed": Ledger._proposed,
    "recognised": Ledger._recognised,
    "steered": Ledger._steered,
}


def _key_of(names: tuple[str, ...]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """What takes an identity from an event's data."""
    if not names:
        return lambda data: ()
    if len(names) == 1:
        (name,) = names
        return lambda data: (data[name],)
    return itemgetter(*names)


_KEYS = {kind: _key_of(names) for kind, names in IDENTITY.items()}


def _paid_in_all(calls: Paid, proposed: dict[str, Any]) -> Paid:
    """For a proposal that has ended."""
    origin = str(proposed.get("origin", ""))
    # A log of an earlier version does not say whose a call was.
    told = {model or origin: usage for model, usage in calls.items()}
    whole = Usage.of(proposed)
    # Calls count twice over when a proposal was begun again; what was paid was paid.
    if sum(usage.tokens for usage in told.values()) > whole.tokens:
        return told
    others = sum(usage.tokens for model, usage in told.items() if model != origin)
    return told if others else {origin: whole}


def _add(totals: Paid, more: Paid) -> None:
    for model, usage in more.items():
        before = totals.get(model)
        totals[model] = usage if before is None else before.plus(usage)


def _is_unjudged(data: dict[str, Any]) -> bool:
    """A judge that could not judge has said nothing; a failed run may be taken up again."""
    return bool(data["verdict"]["status"] == "infrastructure_error")
