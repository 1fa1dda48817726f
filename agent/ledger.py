"""What the event log says has been done: asked before anything costly is done again.

Fed with every event, those of earlier stretches of the run first. An event type listed in ``IDENTITY``
happens once for each identity; the first one counts, so that a step repeated after a kill finds what it did
before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from agent.events import Event
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
    "judged": ("candidate",),
    "reflected": ("candidate",),
    "remembered": ("candidate", "confirmed"),
    "champion": ("candidate",),
    "confirmed": ("candidate",),
    "run_finished": (),
}


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
    """Facts by type and identity, and running totals. Written by the event log, one event at a time."""

    def __init__(self, history: Iterable[Event] = ()) -> None:
        self._facts: dict[tuple[str, tuple[Any, ...]], dict[str, Any]] = {}
        self._calls: dict[tuple[Any, ...], dict[str, Usage]] = {}
        self._asked: dict[tuple[Any, ...], tuple[str, Usage]] = {}
        """Calls whose end was not seen yet, at their worst."""
        self._answered: set[str] = set()
        self._judging: dict[str, list[float]] = {"accepted": [], "rejected": []}
        for event in history:
            self.note(event)

    def note(self, event: Event) -> None:
        """Take in one event."""
        if event.type in ("model_asked", "model_call", "proposed"):
            self._note_call(event)
        if event.type == "resumed":
            # A failed run that is taken up again is no longer finished.
            self._facts.pop(("run_finished", ()), None)
            for slot in list(self._asked):
                self._calls[slot] = self._paid(slot)
            self._asked.clear()
        if event.type not in IDENTITY or not _is_final(event):
            return
        key = (event.type, tuple(event.data[name] for name in IDENTITY[event.type]))
        if key in self._facts:
            return
        self._facts[key] = event.data
        if event.type == "judged":
            self._judging[event.data["verdict"]["status"]].append(event.data["seconds"])

    def _note_call(self, event: Event) -> None:
        slot = (event.data.get("round"), event.data.get("slot"))
        model = str(event.data.get("model", ""))
        self._asked.pop(slot, None)
        if event.type == "model_asked" and event.data["tokens"]:
            self._asked[slot] = (model, Usage().plus(event.data))
        if event.type == "model_call":
            calls = self._calls.setdefault(slot, {})
            calls[model] = calls.get(model, Usage()).plus(event.data)
            if event.data.get("finish") != "lost":
                self._answered.add(model)

    def _paid(self, slot: tuple[Any, ...]) -> dict[str, Usage]:
        """By model: what the calls of a proposal took, the one under way included."""
        calls = dict(self._calls.get(slot, {}))
        if slot in self._asked:
            model, worst = self._asked[slot]
            calls[model] = calls.get(model, Usage()).plus(asdict(worst))
        return calls

    def find(self, type_: str, *identity: Any) -> dict[str, Any] | None:
        """Data of the event of this type and identity, or None if it has not happened."""
        return self._facts.get((type_, identity))

    def all(self, type_: str) -> list[dict[str, Any]]:
        """Data of all events of a type that has an identity, in order."""
        return [data for (kind, _), data in list(self._facts.items()) if kind == type_]

    def node(self, candidate: str) -> Node:
        """A judged candidate. Raises KeyError if it was not judged."""
        judged = self._facts["judged", (candidate,)]
        return to_node(judged, (self.find("reflected", candidate) or {}).get("lesson", ""))

    def tree(self, candidates: Sequence[str] | None = None) -> list[Node]:
        """The candidates named, or all, in order of judging."""
        if candidates is None:
            candidates = [data["candidate"] for data in self.all("judged")]
        return [self.node(candidate) for candidate in candidates]

    def judging_s(self) -> float:
        """Mean seconds of a whole judgement; 0 while none is known. Rejections end early: they count last."""
        known = self._judging["accepted"] or self._judging["rejected"]
        return sum(known) / len(known) if known else 0.0

    def answered(self) -> frozenset[str]:
        """Models that have answered in this run."""
        return frozenset(self._answered)

    def usage(self) -> Usage:
        """Tokens and dollars of the whole run: finished proposals, and calls of those a kill cut off."""
        total = Usage()
        for usage in self.usage_by_model().values():
            total = total.plus(asdict(usage))
        return total

    def usage_by_model(self) -> dict[str, Usage]:
        """The same for each model."""
        totals: dict[str, Usage] = {}
        proposed = {(data["round"], data["slot"]) for data in self.all("proposed")}
        for slot in sorted({*proposed, *self._calls, *self._asked}, key=str):
            for model, usage in self.slot_usage(*slot).items():
                totals[model] = totals.get(model, Usage()).plus(asdict(usage))
        return totals

    def slot_usage(self, round_: Any, slot: Any) -> dict[str, Usage]:
        """What was paid for one proposal: several models may have worked on it, one after another."""
        calls = self._paid((round_, slot))
        proposed = self.find("proposed", round_, slot)
        if proposed is None:
            return calls
        origin = str(proposed["origin"])
        # A log of an earlier version does not say whose a call was.
        told = {model or origin: usage for model, usage in calls.items()}
        whole = Usage().plus(proposed)
        # Calls count twice over when a proposal was begun again; what was paid was paid.
        if sum(usage.tokens for usage in told.values()) > whole.tokens:
            return told
        others = sum(usage.tokens for model, usage in told.items() if model != origin)
        return told if others else {origin: whole}


def _is_final(event: Event) -> bool:
    """A judge that could not judge has said nothing; a failed run may be taken up again."""
    if event.type in ("judged", "confirmed"):
        return bool(event.data["verdict"]["status"] != "infrastructure_error")
    return True
