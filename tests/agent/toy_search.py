"""A small deterministic search: a proposer that climbs, a judge that follows, and nothing that starts a process.

Run as a program it kills a run at a given event and resumes it, in processes of its own::

    python toy_search.py FOLDER EVENT [EVENT ...] [--again] [SETTINGS AS JSON]

One JSON line an event on standard output says what the resumed run came to. With EVENT = 0 nothing is killed;
with --again every resumed run is killed too, until one gets through with so few events.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.events import Event, read_events
from agent.proposing import Proposal, ProposalTask
from agent.run import Outcome, Seams, optimize, resume
from agent.settings import AgentSettings
from tools.candidate import Candidate
from tools.fake_judge import FakeJudge, accepted, rejected
from tools.problem import Problem
from tools.verdict import Verdict

PROBLEM = Problem("toy", "class Model: ...\ndef get_inputs(): ...\n")


def source_of(value: int) -> str:
    return f"class ModelNew:\n    value = {value}\n"


def value_of(source: str) -> int:
    found = re.search(r"value = (\d+)", source)
    assert found, source
    return int(found[1])


def id_of(value: int) -> str:
    return Candidate(source=source_of(value)).id


def proposal(value: int | None, **changes: Any) -> Proposal:
    facts: dict[str, Any] = {
        "candidate": None if value is None else Candidate(source=source_of(value)),
        "strategy": "" if value is None else f"value {value}",
        "refusal": "nothing comes to mind" if value is None else None,
        "needs_language_model": False,
        "tokens": 10,
        "cost_usd": 0.01,
        "model_calls": 1,
        "tool_calls": 1,
        "transcript": ({"role": "assistant", "content": f"value {value}"},),
    }
    return Proposal(**{**facts, **changes})


def climb(task: ProposalTask, *, store: Any, emit: Callable[..., None], **_: Any) -> Proposal:
    """From the parent's value a step up that depends on the task alone; now and then both slots agree."""
    start = 100 if task.parent is None else value_of(store.text(task.parent.source_artifact))
    slot = 0 if task.round == 1 else task.slot
    draw = hashlib.sha256(f"{task.seed}/{task.round}/{slot}/{start}".encode()).digest()[0]
    emit("model_call", tokens_in=6, tokens_out=4, cost_usd=0.01)
    return proposal(start + 5 + draw % 40)


def follow(source: str) -> Verdict:
    """A value is a speed-up in percent; what 4 divides is wrong."""
    value = value_of(source)
    return rejected("wrong_output", "off by one") if value % 4 == 0 else accepted(value / 100)


def collapse(source: str) -> Verdict:
    """When judged again, what 3 divides does not hold."""
    return accepted(0.9) if value_of(source) % 3 == 0 else follow(source)


def settings(home: Path, **changes: Any) -> AgentSettings:
    return AgentSettings(**{"home": home, "max_candidates": 4, "stall": 50, "seed": 4, **changes})


def main(folder: Path, numbers: list[int], again: bool, changes: dict[str, Any]) -> None:
    for number in numbers:
        home = folder / str(number)
        killed = _in_child(lambda home=home, number=number: _begin(home, number, changes))
        while killed and again:
            killed = _in_child(lambda home=home, number=number: _go_on(home, number, number))
        if not again:
            _in_child(lambda home=home, number=number: _go_on(home, number))


def killer(number: int) -> Callable[[Event], None]:
    """A subscriber that ends this process, as kill -9 does, at the event of that number."""
    seen = 0

    def kill(event: Event) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


def _begin(home: Path, number: int, changes: dict[str, Any]) -> None:
    seams = Seams(judge=FakeJudge(follow, confirmations=collapse), propose=climb, model=object())
    optimize(PROBLEM, settings(home, out=home / "run", **changes), subscribers=[killer(number)], seams=seams)


def _go_on(home: Path, number: int, kill_at: int = 0) -> None:
    run = home / "run"
    before = [event.data["candidate"] for event in read_events(run / "events.jsonl") if event.type == "judged"]
    judge = FakeJudge(follow, confirmations=collapse)
    seams = Seams(judge=judge, propose=climb, model=object())
    outcome = resume(run, subscribers=[killer(kill_at)], seams=seams)
    sys.stdout.write(
        json.dumps({"event": number, **summary(run, outcome), "twice": sorted({*before} & {*judge.judged})}) + "\n"
    )


def summary(run: Path, outcome: Outcome) -> dict[str, Any]:
    """Whatever must not depend on when a run was killed."""
    from memory.sqlite import SqliteStore

    events = read_events(run / "events.jsonl")
    memory = SqliteStore(run.parent / "memory.db")
    known = memory.count()
    memory.close()
    public = outcome.to_json()
    kept = ("status", "candidates", "accepted", "stored", "recalled", "stop_reason", "candidates_to_best")
    once = ("judged", "recognised", "proposed", "reflected", "remembered", "champion", "confirmed", "round_started")
    return {
        **{name: public[name] for name in kept},
        "champion": (public["best"] or {}).get("candidate"),
        "best.py": (run / "best.py").read_text(),
        "files": sorted(path.name for path in run.iterdir() if not path.name.startswith("checkpoints")),
        "order": [event.data["candidate"] for event in events if event.type == "judged"],
        "in_memory": known,
        "counts": {kind: sum(event.type == kind for event in events) for kind in once},
        "gapless": [event.seq for event in events] == list(range(len(events))),
        "transcript": (run / "transcript.jsonl").read_text(),
    }


def _in_child(work: Callable[[], object]) -> bool:
    """Fork: the imports, which take seconds, are paid once. Whether the child was killed."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
            sys.stdout.flush()
        except BaseException:  # noqa: BLE001 - the parent sees it on standard error
            traceback.print_exc()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


if __name__ == "__main__":
    # Imported before the first fork, by way of everything that drives a run.
    import agent.graph  # noqa: F401
    import memory.sqlite  # noqa: F401

    numbers = [int(text) for text in sys.argv[2:] if text.isdigit()]
    changed = next((json.loads(text) for text in sys.argv[2:] if text.startswith("{")), {})
    main(Path(sys.argv[1]), numbers, "--again" in sys.argv, changed)
