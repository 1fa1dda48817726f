"""From the event log and the artifacts of a run to the facts of its report: pure, nothing is measured anew."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.events import Event, read_events
from agent.ledger import Ledger
from agent.outcome import Outcome
from agent.policies.evolution import populate
from agent.report.costing import to_costs, tokens_over_time
from agent.report.facts import CaseFacts, Fate, LessonFacts, NodeFacts, ProfileFacts, RepeatFacts, Report
from agent.report.given import to_requests, to_starts, to_tuned
from agent.report.headline import to_headline
from agent.report.sources import to_sources
from agent.tree import Node
from tools.artifacts import ArtifactStore

_LOGS = ("log", "artifacts", "path")


def read_report(folder: Path) -> Report:
    """The facts of the run in a folder, as far as it has come. Raises RunError for a damaged log."""
    events = read_events(folder / "events.jsonl")
    finished = Ledger(events).find("run_finished")
    outcome = None if finished is None else Outcome.from_json(finished)
    return to_facts(events, ArtifactStore(folder / "artifacts"), outcome)


def to_facts(events: Sequence[Event], store: ArtifactStore, outcome: Outcome | None) -> Report:
    """``outcome`` is None for a run that has not ended. What the log says after its end does not count."""
    events = until_the_end(events)
    ledger = Ledger(events)
    started, described = ledger.find("run_started") or {}, ledger.find("described") or {}
    settings = started.get("settings") or {}
    champion, verdict, confirmed = _champion(ledger, outcome)
    nodes = _nodes(ledger, events, champion, str(settings.get("policy", "")))
    measured = ledger.find("baselines_measured") or {"baselines": {}}
    status = _status(events, outcome)
    message = outcome.message if outcome is not None else ""
    return Report(
        **{
            name: str(started.get(name, "")) for name in ("run_id", "problem", "target", "language", "model", "version")
        },
        policy=str(settings.get("policy", "")),
        began=events[0].time if events else "",
        status=status,
        headline=to_headline(status, message, verdict, confirmed, measured["baselines"]),
        message=message,
        stop_reason=None if outcome is None else outcome.stop_reason,
        champion=champion,
        verdict=verdict,
        confirmed=confirmed,
        machine=_machine(described),
        baselines=dict(sorted(measured["baselines"].items(), key=lambda item: item[1])),
        nodes=nodes,
        repeats=tuple(_repeat(data) for data in ledger.all("recognised")),
        refusals=tuple(str(data["refusal"]) for data in ledger.all("proposed") if data.get("refusal")),
        unjudged=sum(_could_not_judge(event) for event in events),
        cases=() if verdict is None else tuple(_case(case) for case in verdict.get("cases") or ()),
        starts=to_starts(ledger, champion if confirmed else None),
        tuned=to_tuned(ledger),
        requests=to_requests(events),
        profiles=_profiles(ledger, store, champion),
        lessons=_lessons(ledger),
        reasons=dict(Counter(node.reason or "rejected" for node in nodes if node.fate == "rejected").most_common()),
        costs=to_costs(ledger, events, outcome),
        sources=to_sources(ledger, store, champion, started.get("source")),
    )


def until_the_end(events: Sequence[Event]) -> Sequence[Event]:
    """Without the event that closes a finished run: a report is the same before and after it is written."""
    return events[:-1] if events and events[-1].type == "run_finished" else events


def _status(events: Sequence[Event], outcome: Outcome | None) -> str:
    if outcome is not None:
        return outcome.status
    for event in reversed(events):
        if event.type in ("interrupted", "resumed", "run_started"):
            return "interrupted" if event.type == "interrupted" else "unfinished"
    return "unfinished"


def _could_not_judge(event: Event) -> bool:
    return event.type == "judged" and bool(event.data["verdict"]["status"] == "infrastructure_error")


def _champion(ledger: Ledger, outcome: Outcome | None) -> tuple[str | None, dict[str, Any] | None, bool]:
    """Who it is, its verdict, and whether that confirmed it."""
    if outcome is not None and outcome.best is not None:
        return outcome.best["candidate"], _short(outcome.best), True
    if outcome is not None and outcome.status == "no_improvement":
        return None, None, False
    held = [data for data in ledger.all("confirmed") if data["holds"]]
    if held:
        return held[0]["candidate"], _short(held[0]["verdict"]), True
    fallen = {data["candidate"] for data in ledger.all("confirmed")}
    for data in reversed(ledger.all("champion")):
        judged = ledger.find("judged", data["candidate"])
        if judged is not None and data["candidate"] not in fallen:
            return data["candidate"], _short(judged["verdict"]), False
    return None, None, False


def _short(verdict: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in verdict.items() if name not in _LOGS}


def _machine(described: dict[str, Any]) -> dict[str, str]:
    rows = {
        "Operators": ", ".join(described.get("operators") or ()),
        "Processor": str(described.get("cpu") or ""),
        "Threads": str(described.get("threads") or ""),
        "torch": str(described.get("torch_version") or ""),
    }
    return {name: value or "unknown" for name, value in rows.items()}


def _nodes(ledger: Ledger, events: Sequence[Event], champion: str | None, policy: str) -> tuple[NodeFacts, ...]:
    tree = ledger.tree()
    fates, spent = _fates(ledger, tree, champion, policy), tokens_over_time(events)
    when: dict[str, tuple[float, int]] = {}
    for event, tokens in zip(events, spent, strict=True):
        if event.type == "judged" and not _could_not_judge(event):
            when.setdefault(event.data["candidate"], (event.elapsed_s, tokens))
    found: list[NodeFacts] = []
    best: float | None = None
    for place, node in enumerate(tree, 1):
        if node.speedup is not None:
            best = max(best or 0.0, node.speedup)
        verdict = (ledger.find("judged", node.id) or {"verdict": {}})["verdict"]
        found.append(_node(place, node, fates[node.id], str(verdict.get("detail") or ""), when[node.id], best))
    return tuple(found)


def _node(place: int, node: Node, fate: Fate, detail: str, when: tuple[float, int], best: float | None) -> NodeFacts:
    return NodeFacts(
        place=place,
        id=node.id,
        parent=node.parent,
        fate=fate,
        kind=node.kind,
        speedup=node.speedup,
        ci95=node.speedup_ci95,
        reason=node.reason,
        detail=detail,
        strategy=node.strategy,
        lesson=node.lesson,
        origin=node.origin,
        elapsed_s=when[0],
        tokens=when[1],
        best_so_far=best,
    )


def _fates(ledger: Ledger, tree: Sequence[Node], champion: str | None, policy: str) -> dict[str, Fate]:
    """What became of each candidate. Archives are derived from the tree, as the policy itself does."""
    fates: dict[str, Fate] = {node.id: "accepted" if node.status == "accepted" else "rejected" for node in tree}
    if policy == "evolution":
        kept = {node.id for island in populate(tree) for node in island.elites}
        for name, fate in fates.items():
            if fate == "accepted":
                fates[name] = "in the archive" if name in kept else "evicted"
    for data in ledger.all("champion"):
        if fates.get(data["candidate"], "rejected") != "rejected":
            fates[data["candidate"]] = "was best"
    if champion in fates:
        fates[str(champion)] = "champion"
    return fates


def _repeat(data: dict[str, Any]) -> RepeatFacts:
    return RepeatFacts(str(data["candidate"]), str(data["same_as"]), data.get("parent"), data.get("strategy") or "")


def _case(case: dict[str, Any]) -> CaseFacts:
    name = min(case["baselines"], key=lambda one: float(case["baselines"][one]["median_s"]), default="")
    mine, floor = case["candidate"], case.get("floor_s")
    return CaseFacts(
        name=case["name"],
        speedup=case["speedup"],
        ci95=tuple(case["speedup_ci95"]),
        candidate_s=mine["median_s"],
        p5_s=mine["p5_s"],
        p95_s=mine["p95_s"],
        samples=mine["samples"],
        baseline=name,
        baseline_s=case["baselines"][name]["median_s"] if name else case["speedup"] * mine["median_s"],
        floor_s=floor,
        bound=case.get("bound"),
        fraction=min(1.0, floor / mine["median_s"]) if floor and mine["median_s"] > 0 else None,
    )


def _profiles(ledger: Ledger, store: ArtifactStore, champion: str | None) -> tuple[ProfileFacts, ...]:
    """Of the champion, or where nobody profiled it, of the last candidate that was."""
    profiled = [data for data in ledger.all("proposed") if data.get("profile") and data.get("candidate")]
    chosen = [data for data in profiled if data["candidate"] == champion] or profiled
    for data in chosen[-1:]:
        try:
            said = json.loads(store.text(data["profile"]))
        except (KeyError, ValueError):
            return ()  # lost, like any artifact may be: the rest of the report is none the worse
        findings = tuple(
            {name: one.get(name) for name in ("kind", "severity", "evidence", "advice")}
            for one in said.get("findings", ())
        )
        return (ProfileFacts(data["candidate"], str(said.get("profiler")), str(said.get("bound")), findings),)
    return ()


def _lessons(ledger: Ledger) -> tuple[LessonFacts, ...]:
    first: dict[str, str] = {}
    times: Counter[str] = Counter()
    for node in ledger.tree():
        if node.lesson:
            first.setdefault(node.lesson, node.id)
            times[node.lesson] += 1
    return tuple(
        LessonFacts(
            candidate, str((ledger.find("reflected", candidate) or {}).get("bottleneck") or ""), lesson, times[lesson]
        )
        for lesson, candidate in first.items()
    )
