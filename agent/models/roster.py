"""The models of one run: who they are, what each has done so far, and who is asked next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from agent.ledger import Ledger
from agent.models.bandit import Play, ranking, reward
from agent.models.gate import Gate
from agent.models.outages import Outages
from agent.models.purse import Purse
from agent.models.waiting import Clock


@dataclass(frozen=True)
class Roster:
    """The models by name, each with its way in."""

    models: Mapping[str, Any]
    """LangChain chat models, in the order of the settings."""
    gates: Mapping[str, Gate]
    outages: Outages
    purse: Purse = field(default_factory=Purse)
    """What all of them together may take."""

    @classmethod
    def plain(cls, models: Mapping[str, Any]) -> Self:
        """Without caps, limits or patience."""
        outages = Outages(tuple(models), Clock(), lambda *_, **__: None)
        return cls(models, {name: Gate(name, outages=outages) for name in models}, outages)

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the settings."""
        return tuple(self.models)

    def choose(self, ledger: Ledger, *, round_: int, slot: int, seed: int) -> str:
        """Who is asked: the best that is up; when all are out, the best of those that were not dropped."""
        if len(self.models) == 1:
            return self.names[0]
        out = exhausted(ledger, self.names, before=round_)
        usable = [name for name in self.outages.usable() if name not in out] or self.outages.usable()
        order = ranking(usable, plays(ledger, self.names, before=round_), round_=round_, slot=slot, seed=seed)
        return next((name for name in order if self.outages.is_up(name)), order[0])


def plays(ledger: Ledger, names: tuple[str, ...], *, before: int) -> list[Play]:
    """What the models did in the rounds before the one numbered ``before``, in order."""
    found = []
    best: float | None = None
    proposals = [data for data in ledger.all("proposed") if data["round"] < before]
    for data in sorted(proposals, key=lambda data: (data["round"], data["slot"])):
        judged = ledger.find("judged", data["candidate"])
        own = judged is not None and (judged["round"], judged["slot"]) == (data["round"], data["slot"])
        speedup = _speedup(ledger, data["candidate"]) if own else None
        if data["origin"] in names and data["transcript"] is not None:
            # Not what was paid besides, for a conversation that a kill cut off: the choice must not hang on kills.
            found.append(Play(data["origin"], reward(speedup, best), data["cost_usd"], data["tokens"]))
        best = max((value for value in (best, speedup) if value is not None), default=None)
    return found


def _speedup(ledger: Ledger, candidate: str) -> float | None:
    """Of a judged candidate, or of what it became when its numbers were chosen: whoever left them open earned that."""
    tuned = ledger.find("tuned", candidate)
    winner = "" if tuned is None else tuned["winner"] or ""
    names = [name for name in (candidate, winner) if ledger.place(name) is not None]
    known = [speedup for speedup in (ledger.node(name).speedup for name in names) if speedup is not None]
    return max(known, default=None)


def exhausted(ledger: Ledger, names: tuple[str, ...], *, before: int | None = None) -> dict[str, str]:
    """Models that will bring nothing more in this run, and the reason the run would stop for."""
    out: dict[str, str] = {}
    for data in ledger.all("proposed"):
        at_cap = ledger.capped(data["round"], data["slot"])
        reason = at_cap or ("needs_language_model" if data["needs_language_model"] else None)
        if reason is not None and data["origin"] in names and (before is None or data["round"] < before):
            out.setdefault(data["origin"], reason)
    return out


def summary(ledger: Ledger, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Per model: proposals, accepted, best speed-up, tokens, dollars (None: unknown), share of the proposals."""
    rows = []
    mine = [data for data in ledger.all("proposed") if data["transcript"] is not None]
    usage = ledger.usage_by_model()
    for name in names:
        own = [data for data in mine if data["origin"] == name]
        places = {(data["round"], data["slot"]) for data in own}
        speedups = {
            (node.round, node.slot): node.speedup
            for node in sorted(ledger.tree(), key=lambda node: node.speedup or 0.0)
            if node.status == "accepted" and node.speedup is not None and (node.round, node.slot) in places
        }
        spent = usage.get(name)
        rows.append(
            {
                "model": name,
                "proposals": len(own),
                "accepted": len(speedups),
                "best": max(speedups.values(), default=None),
                "tokens": 0 if spent is None else spent.tokens,
                "cost_usd": 0.0 if spent is None else spent.cost_usd,
                "share": round(len(own) / len(mine), 4) if mine else 0.0,
            }
        )
    return rows
