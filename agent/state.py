"""The run's state: ids and numbers, plain JSON. What the ids stand for is in the event log and the store.

Nodes return the fields they change. Only ``done`` is written by several branches at once, so only it has a
reducer.
"""

from __future__ import annotations

from typing import Annotated

from typing_extensions import TypedDict  # typing's own has no JSON schema below Python 3.12, which Studio asks for


def newest_round(old: list[list[int]], new: list[list[int]]) -> list[list[int]]:
    """Reducer: the [round, slot] pairs of the latest round, sorted, each once however often written."""
    pairs = {(pair[0], pair[1]) for pair in (*old, *new)}
    latest = max((round_ for round_, _ in pairs), default=0)
    return [[round_, slot] for round_, slot in sorted(pairs) if round_ == latest]


class PickState(TypedDict):
    """One slot of a round, as ``select`` filled it and ``propose`` receives it."""

    round: int
    slot: int
    slots: int
    parent: str | None
    visible: list[str]
    """Candidate ids."""
    inspirations: list[str]
    """Candidate ids."""
    kind: str
    """``draft`` or ``restart`` for one that sees nothing, else empty."""
    number: int
    """Of a draft or restart: which independent sample it is."""
    description: str
    baselines: dict[str, float]


class RunState(TypedDict):
    """State between nodes; checkpointed after each of them."""

    description: str
    """Artifact id of the Description. Written by describe."""
    baselines: dict[str, float]
    """Name to seconds. Written by baselines."""
    seeds: list[str]
    """Candidates from memory, judged before any model call. Written by recall, emptied by select."""
    round: int
    """Rounds begun, the one of the seeds included. Written by select."""
    picks: list[PickState]
    """This round's slots. Written by select."""
    done: Annotated[list[list[int]], newest_round]
    """[round, slot] of the proposals that are there. Written by select (seeds) and propose."""
    fresh: list[str]
    """Candidates judged in this round. Written by judge and tune."""
    judged: int
    """Candidates judged; which ones, the log knows. Written by judge and tune."""
    faults: int
    """Judgements in a row that failed for want of infrastructure. Written by judge and tune."""
    champion: str | None
    """Written by record."""
    since_better: int
    """Candidates since the champion changed. Written by record."""
    barren_rounds: int
    """Rounds in a row without a new candidate. Written by record."""
    stop_reason: str | None
    """Why the search ended. Written by baselines, select, judge, tune and record."""
    confirmed: str | None
    """The champion that held when judged again. Written by confirm."""


def initial_state() -> RunState:
    """Before anything was done."""
    return RunState(
        description="",
        baselines={},
        seeds=[],
        round=0,
        picks=[],
        done=[],
        fresh=[],
        judged=0,
        faults=0,
        champion=None,
        since_better=0,
        barren_rounds=0,
        stop_reason=None,
        confirmed=None,
    )
