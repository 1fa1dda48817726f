"""A run that ends itself, as kill -9 would, at the Nth thing it writes, and is resumed: by a process of its own.

    python toy_faults.py FOLDER SEED POINT [POINT ...]

The model is scripted and works through the real tools; the judge is the scripted one. What counts as a write: a
line of the event log (before it, in the middle of it, after it), a checkpoint and its parts, a file renamed into
its place, an artifact, a record of the memory. POINT 0 kills nothing and says how many writes there were. One JSON
line a point says what the run came to in the end.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import toy_search as toy
from langchain_core.messages import AIMessage, BaseMessage, ToolCall, UsageMetadata

from agent.events import EventLog, read_events
from agent.run import Outcome, Seams, list_runs, optimize, resume
from agent.scripted import ScriptedChatModel
from memory.sqlite import SqliteStore
from tools.candidate import Candidate
from tools.fake_judge import FakeJudge

CALL = UsageMetadata(input_tokens=70, output_tokens=30, total_tokens=100)
"""What each reply claims to have used."""
SLOTS = 2


class Faults:
    """Counts what is written, and ends this process at the write of a given number."""

    def __init__(self, point: int, seed: int) -> None:
        self.point = point
        self.count = 0
        self._lock = threading.Lock()
        self._how = random.Random(f"{seed}/{point}").choice(["before", "torn", "after"])

    def around(self, write: Callable[[], Any], torn: Callable[[], Any] | None = None) -> Any:
        with self._lock:
            self.count += 1
            mine = self.count == self.point
        if mine and self._how == "before":
            kill()
        if mine and self._how == "torn" and torn is not None:
            torn()
            kill()
        done = write()
        if mine:
            kill()
        return done

    def install(self) -> None:
        """Put itself around every door to the disk."""
        from langgraph.checkpoint.sqlite import SqliteSaver

        def written(log: EventLog, line: bytes, *, durable: bool) -> None:
            half = line[: len(line) // 2]
            self.around(lambda: write(log, line, durable=durable), lambda: write(log, half, durable=False))

        write, EventLog._write = EventLog._write, written  # type: ignore[method-assign]
        for owner, name in ((Path, "replace"), (SqliteSaver, "put"), (SqliteSaver, "put_writes"), (SqliteStore, "add")):
            setattr(owner, name, self._wrapped(getattr(owner, name)))

    def _wrapped(self, real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments, **named: self.around(lambda: real(*arguments, **named))


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()  # the signal is on its way


def script(messages: list[BaseMessage]) -> AIMessage:
    """Write, compile, test, submit: what is written depends on the task alone."""
    said = sum(isinstance(message, AIMessage) for message in messages)
    task = next(message.text for message in messages if message.type == "human")
    place = re.search(r"round=(\d+) slot=(\d+)", task)
    number, slot = int(place[1]), int(place[2])
    # The second round writes what the first one did in one slot; the third one holds a wrong candidate.
    value = [[113, 131], [113, 151], [152, 165], [177, 178]][number % 4][slot]
    name, arguments = [
        ("write_candidate", {"source": toy.source_of(value)}),
        ("compile_candidate", {}),
        ("test_candidate", {}),
        ("submit", {"strategy": f"value {value}"}),
    ][said]
    call = ToolCall(name=name, args=arguments, id=f"call_{said}", type="tool_call")
    return AIMessage(content="", tool_calls=[call], usage_metadata=CALL)


class Recording(FakeJudge):
    """Notes in a file, which outlives it, each question that was answered."""

    def __init__(self, asked: Path) -> None:
        super().__init__(toy.follow, confirmations=toy.collapse)
        self.asked = asked

    def note(self, question: str, candidate: Candidate) -> None:
        # One write: two conversations ask at once.
        with self.asked.open("ab", buffering=0) as file:
            file.write(f"{question} {candidate.id}\n".encode())

    def compile(self, candidate):
        self.note("compile", candidate)
        return super().compile(candidate)

    def check(self, candidate):
        self.note("check", candidate)
        return super().check(candidate)

    def judge(self, candidate, notice=None):
        self.note("judge", candidate)
        return super().judge(candidate, notice)

    def confirm(self, candidate, notice=None):
        self.note("confirm", candidate)
        return super().confirm(candidate, notice)


def seams(home: Path) -> Seams:
    model = ScriptedChatModel(script=script)
    return Seams(judge=Recording(home / "asked"), model=model)


def begin(home: Path, faults: Faults) -> Outcome:
    faults.install()
    settings = toy.settings(home, out=home / "run", slots=SLOTS, max_candidates=6)
    return optimize(toy.PROBLEM, settings, seams=seams(home))


def main(folder: Path, seed: int, points: list[int]) -> None:
    for point in points:
        home = folder / str(point)
        home.mkdir(parents=True)
        faults = Faults(point, seed)

        def first(home: Path = home, faults: Faults = faults) -> None:
            outcome = begin(home, faults)
            if not faults.point:
                tell(home, outcome, writes=faults.count)

        def second(home: Path = home, point: int = point) -> None:
            if not (home / "run" / "run.json").exists():
                tell(home, begin(home, Faults(0, 0)), point=point)  # nothing was there yet: it is begun anew
                return
            tell(home, resume(home / "run", seams=seams(home)), point=point)

        if toy._in_child(first):
            toy._in_child(second)
        elif point:
            sys.stderr.write(f"nothing was killed at {point}\n")


def tell(home: Path, outcome: Outcome, **about: Any) -> None:
    """Whatever must not depend on where it was killed, and what was paid."""
    run = home / "run"
    measured = re.compile(r"^- (Active time|Tokens):.*\n|^## What it cost\n[^#]*", re.M)
    events = read_events(run / "events.jsonl")
    judged = [event.data for event in events if event.type == "judged"]
    came = {
        **toy.summary(run, outcome),
        "tree": [[data["candidate"], data["parent"], data["round"], data["slot"], data["order"]] for data in judged],
        "verdicts": [data["verdict"] for data in judged],
        "listed": [info["status"] for info in list_runs(home)],
        "begun": [str(path.relative_to(run)) for path in run.rglob("*") if path.name.startswith((".", "begun-"))],
        "lessons": [event.data for event in events if event.type == "reflected"],
        "report": measured.sub("", (run / "report.md").read_text().replace(outcome.run_id, "RUN")),
        "settled": json.dumps([outcome.best and {**outcome.best, "path": ""}, outcome.message]),
    }
    asked = (home / "asked").read_text().splitlines()
    counts = Counter(event.type for event in events)
    line = {"came": came, "tokens": outcome.tokens, "asked": asked, "replied": counts["replied"], **about}
    line["active"] = [event.elapsed_s for event in events] == sorted(event.elapsed_s for event in events)
    sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    import agent.graph  # noqa: F401 - before the first fork

    main(Path(sys.argv[1]), int(sys.argv[2]), [int(text) for text in sys.argv[3:]])
