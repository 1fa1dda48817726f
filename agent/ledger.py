"""What the event log says has been done: asked before anything costly is done again.

Fed with every event, those of earlier stretches of the run first. An event type listed in ``IDENTITY``
happens once for each identity; the first one counts, so that a step repeated after a kill finds what it did
before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from agent.events import Event
from agent.tree import Node, to_node

IDENTITY: dict[str, tuple[str, ...]] = {
    "run_started": (),
    "described": (),
    "baselines_measured": (),
    "recalled": (),
    "round_started": ("round",),
    "proposed": ("round", "slot"),
    "recognised": ("round", "slot"),
    "judged": ("candidate",),
    "reflected": ("candidate",),
    "remembered": ("candidate", "confirmed"),
    "champion": ("candidate",),
    "confirmed": ("candidate",),
    "run_finished": (),
}
MAX_REPEATS = 40
"""A model is told of so many proposals that were the same as another one."""


@dataclass(frozen=True)
class Usage:
    """What models were paid."""

    tokens: int = 0
    cost_usd: float | None = 0.0
    """None as soon as some of it is unknown."""

    def plus(self, call: Mapping[str, Any]) -> Self:
        """With one more call or proposal."""
        cost = call.get("cost_usd")
        both = None if cost is None or self.cost_usd is None else self.cost_usd + float(cost)
        tokens = call.get("tokens")
        if tokens is None:
            tokens = call.get("tokens_in", 0) + call.get("tokens_out", 0)
        return type(self)(self.tokens + tokens, both)


class Ledger:
    """Facts by type and identity, and running totals. Written by the event log, one event at a time.

    Whatever is asked after every candidate takes no longer in a large tree than in a small one, but for
    copying the list of nodes.
    """

    def __init__(self, history: Iterable[Event] = ()) -> None:
        self._facts: dict[str, dict[tuple[Any, ...], dict[str, Any]]] = {kind: {} for kind in IDENTITY}
        self._open_calls: dict[tuple[Any, ...], Usage] = {}
        """Of proposals that have not ended."""
        self._settled = Usage()
        """Of proposals that have."""
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
        for event in history:
            self.note(event)

    def note(self, event: Event) -> None:
        """Take in one event."""
        data = event.data
        if event.type == "model_call":
            slot = (data.get("round"), data.get("slot"))
            self._open_calls[slot] = self._open_calls.get(slot, Usage()).plus(data)
            return
        if event.type == "resumed":
            # A failed run that is taken up again is no longer finished.
            self._facts["run_finished"].clear()
        facts = self._facts.get(event.type)
        if facts is None or not _is_final(event):
            return
        key = tuple(data[name] for name in IDENTITY[event.type])
        if key in facts:
            return
        facts[key] = data
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            handler(self, data)

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

    def judging_s(self) -> float:
        """Mean seconds of a whole judgement; 0 while none is known. Rejections end early: they count last."""
        count, total = self._judging["accepted"] if self._judging["accepted"][0] else self._judging["rejected"]
        return total / count if count else 0.0

    def usage(self) -> Usage:
        """Tokens and dollars of the whole run: finished proposals, and calls of those a kill cut off."""
        total = self._settled
        for told in self._open_calls.values():
            total = total.plus(asdict(told))
        return total

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

    def _proposed(self, data: dict[str, Any]) -> None:
        told = self._open_calls.pop((data["round"], data["slot"]), Usage())
        # Calls count twice over when a proposal was begun again; what was paid was paid.
        whole = Usage().plus(data)
        self._settled = self._settled.plus(asdict(told if told.tokens > whole.tokens else whole))
        if data.get("candidate") is None:
            self._count_fruitless(data)

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
    "reflected": Ledger._reflected,
    "proposed": Ledger._proposed,
    "recognised": Ledger._recognised,
}


def _is_final(event: Event) -> bool:
    """A judge that could not judge has said nothing; a failed run may be taken up again."""
    if event.type in ("judged", "confirmed"):
        return bool(event.data["verdict"]["status"] != "infrastructure_error")
    return True
