"""A run told again from its event log and its artifact store: no model is asked, no judge, no device.

What the run concluded is worked out anew from the facts in the log, by the code that worked it out then, and
can be compared with what it left: a difference is a changed file, or a program of another version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.concluding import About, Ending, how_it_ended, to_outcome
from agent.errors import RunError
from agent.events import read_events
from agent.leaving import final_files
from agent.ledger import Ledger
from agent.models.names import split_models
from agent.outcome import Outcome
from agent.tree import Node
from tools.artifacts import ArtifactStore


@dataclass(frozen=True)
class Progress:
    """How far the search came: what the graph's state held after the last event."""

    rounds: int
    """Begun."""
    judged: tuple[str, ...]
    """Candidates, in order."""
    champion: str | None
    since_better: int | None
    """None where the log is of a version that did not tell."""
    barren_rounds: int | None
    faults: int
    """Judgements in a row that failed for want of infrastructure."""
    stop_reason: str | None
    confirmed: str | None


@dataclass(frozen=True)
class Replay:
    """A run, rebuilt."""

    progress: Progress
    tree: tuple[Node, ...]
    outcome: Outcome | None
    """Worked out anew; None for a run that has not finished."""
    recorded: Outcome | None
    """As the log has it, for comparison."""
    files: Mapping[str, str]
    """Name to text of what the run left; empty for one that did not come to its end by itself."""

    def differences(self, folder: Path) -> list[str]:
        """Names of the files in ``folder`` that are not what the log says, and of such fields of the outcome."""
        found = [name for name, text in self.files.items() if _read(folder / name) != text.encode(*_AS_WRITTEN)]
        if self.outcome is not None and self.recorded is not None:
            mine, logged = self.outcome.to_json(), self.recorded.to_json()
            found += [f"outcome.{name}" for name in mine if _plain(mine[name]) != _plain(logged[name])]
        return found


_AS_WRITTEN = ("utf-8", "surrogateescape")


def replay(folder: Path) -> Replay:
    """Rebuild the run in a folder from ``events.jsonl`` and ``artifacts`` alone, wherever the folder is now.

    Raises RunError for a log or a store that is missing or damaged.
    """
    events = read_events(folder / "events.jsonl")
    ledger, store = Ledger(events), ArtifactStore(folder / "artifacts")
    faults = 0
    for event in events:
        if event.type == "judged":
            faults = faults + 1 if event.data["verdict"]["status"] == "infrastructure_error" else 0
    progress = _progress(ledger, faults)
    finished = ledger.find("run_finished")
    recorded = None if finished is None else Outcome.from_json(finished).at(folder)
    outcome = None if recorded is None else _conclude(ledger, progress, recorded, folder)
    try:
        ended = outcome is not None and outcome.status in ("improved", "no_improvement")
        files = {}
        if outcome is not None and ended:
            files = {name: "".join(text) for name, text in final_files(events, ledger, store, outcome)}
    except (KeyError, ValueError) as error:
        raise RunError(f"the run in {folder} cannot be told again: {error.args[0]}") from error
    return Replay(progress, tuple(ledger.tree()), outcome, recorded, files)


def _progress(ledger: Ledger, faults: int) -> Progress:
    rounds, champions = ledger.all("round_ended"), ledger.all("champion")
    last: dict[str, Any] = rounds[-1] if rounds else {"since_better": None, "barren_rounds": None}
    held = [data["candidate"] for data in ledger.all("confirmed") if data["holds"]]
    ended = ledger.find("search_ended") or ledger.find("run_finished") or {}
    return Progress(
        rounds=len(ledger.all("round_started")),
        judged=tuple(node.id for node in ledger.tree()),
        champion=champions[-1]["candidate"] if champions else None,
        since_better=last["since_better"],
        barren_rounds=last["barren_rounds"],
        faults=faults,
        stop_reason=ended.get("reason", ended.get("stop_reason")),
        confirmed=held[0] if held else None,
    )


def _conclude(ledger: Ledger, progress: Progress, recorded: Outcome, folder: Path) -> Outcome:
    """As the run did. How long it took was measured, and why it failed was told: both are taken from the log."""
    started = ledger.find("run_started") or {}
    about = About(
        **{name: str(started.get(name, "")) for name in ("run_id", "problem", "model", "target", "language")},
        folder=folder,
        models=tuple(split_models(str(started.get("model", "")))),
    )
    if recorded.status in ("improved", "no_improvement"):
        ending = how_it_ended(ledger, progress.confirmed, progress.stop_reason)
    else:
        ending = Ending(recorded.status, recorded.message)
    return to_outcome(ledger, about, ending, elapsed_s=recorded.elapsed_s)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _plain(value: Any) -> Any:
    """As it reads when it has been written down and read again."""
    return json.loads(json.dumps(value))
