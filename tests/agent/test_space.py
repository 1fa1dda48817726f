"""A disk that fills up: the run waits, loses nothing, blames nobody, and its time stands still."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from agent.events import EventLog, read_events
from agent.folder import MIN_FREE_BYTES
from agent.run import Seams, optimize
from agent.stopping import StopFlag
from tools.artifacts import ArtifactStore
from tools.fake_judge import FakeJudge, rejected

PLENTY = 10 * MIN_FREE_BYTES


class Machine:
    """A clock, and a disk that is full for a while once ``fill`` was called."""

    def __init__(self, full_s: float = 60.0) -> None:
        self.now, self.full_s, self.full_until = 0.0, full_s, 0.0
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds

    def fill(self) -> None:
        self.full_until = self.now + self.full_s

    @property
    def is_full(self) -> bool:
        return self.now < self.full_until

    def free(self, folder: Path) -> int:
        return 0 if self.is_full else PLENTY

    def seams(self, toy, judge=None, **more) -> Seams:
        about = {"clock": lambda: self.now, "sleep": self.sleep, "free": self.free, **more}
        return Seams(judge=judge or FakeJudge(toy.follow), propose=toy.climb, model=object(), **about)


def fills_at(machine: Machine, type_: str):
    done = []

    def fill(event) -> None:
        if event.type == type_ and not done:
            done.append(event)
            machine.fill()

    return fill


def facts(outcome) -> list[tuple[str, object]]:
    events = read_events(Path(outcome.run_dir) / "events.jsonl")
    assert [event.seq for event in events] == list(range(len(events)))
    return [(one.type, one.data.get("candidate")) for one in events if one.type in ("judged", "champion", "confirmed")]


@pytest.fixture
def whole(toy, home: Path):
    return optimize(toy.PROBLEM, toy.settings(home / "whole", slots=1), seams=Machine().seams(toy))


@pytest.mark.parametrize("type_", ["run_started", "described", "proposed", "judged", "reflected", "confirming"])
def test_a_run_waits_for_space_between_two_steps(toy, home: Path, whole, type_: str) -> None:
    machine, told = Machine(), []
    subscribers = [fills_at(machine, type_), told.append]
    outcome = optimize(toy.PROBLEM, toy.settings(home, slots=1), subscribers=subscribers, seams=machine.seams(toy))
    assert (outcome.status, facts(outcome)) == (whole.status, facts(whole))
    assert machine.slept >= machine.full_s
    assert outcome.elapsed_s == 0.0, "the time of a run that waits does not count"
    text = next(event.data["text"] for event in told if event.type == "waiting")
    assert "disk" in text
    assert "free some" in text
    assert [event.data["what"] for event in told if event.type == "waited"][:1] == ["disk"]


def test_a_rejection_on_a_full_disk_is_not_believed(toy, home: Path, whole) -> None:
    machine = Machine()

    def follow(source: str):
        if not machine.slept:
            machine.fill()
            return rejected("compile_error", "No space left on device")
        return toy.follow(source)

    judge = FakeJudge(follow, confirmations=toy.follow)
    outcome = optimize(toy.PROBLEM, toy.settings(home, slots=1), seams=machine.seams(toy, judge))
    assert facts(outcome) == facts(whole)


@pytest.mark.parametrize("number", [0, 3, 8])
@pytest.mark.parametrize("owner", [EventLog, ArtifactStore])
def test_a_write_that_finds_no_space_is_done_later(
    toy, home: Path, whole, monkeypatch: pytest.MonkeyPatch, number: int, owner
) -> None:
    machine, write, count = Machine(), owner._write, []

    def full(self, *words, **named) -> None:
        count.append(words)
        if len(count) == number + 1:
            machine.fill()
        if machine.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, *words, **named)

    monkeypatch.setattr(owner, "_write", full)
    told: list = []
    outcome = optimize(toy.PROBLEM, toy.settings(home, slots=1), subscribers=[told.append], seams=machine.seams(toy))
    assert machine.slept, "the scenario is meant to run into a full disk"
    assert facts(outcome) == facts(whole)
    assert outcome.elapsed_s == 0.0
    assert any(event.type == "waiting" for event in told)


def test_what_a_full_disk_broke_is_done_again_from_the_last_checkpoint(toy, home: Path, whole, monkeypatch) -> None:
    from langgraph.checkpoint.sqlite import SqliteSaver

    machine, put, count = Machine(), SqliteSaver.put, []

    def full(self, *words):
        count.append(words)
        if len(count) == 5:
            machine.fill()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return put(self, *words)

    monkeypatch.setattr(SqliteSaver, "put", full)
    judge = FakeJudge(toy.follow)
    outcome = optimize(toy.PROBLEM, toy.settings(home, slots=1), seams=machine.seams(toy, judge))
    assert facts(outcome) == facts(whole)
    assert len(judge.judged) == len(set(judge.judged)), "judged twice"


def test_a_run_that_waits_for_space_can_be_stopped(toy, home: Path) -> None:
    machine, stop = Machine(full_s=float("inf")), StopFlag()

    def sleep(seconds: float) -> None:
        machine.sleep(seconds)
        if machine.now > 20:
            stop.request("SIGTERM")

    seams = machine.seams(toy, sleep=sleep, stop=stop)
    outcome = optimize(toy.PROBLEM, toy.settings(home), subscribers=[fills_at(machine, "judged")], seams=seams)
    assert outcome.status == "interrupted"
    assert machine.now < 30


def test_a_log_is_not_torn_by_a_write_that_fits_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, write, sizes = EventLog(tmp_path / "events.jsonl"), os.write, []

    def part(fd: int, line: bytes) -> int:
        sizes.append(len(line))
        return write(fd, line[:7] if len(sizes) == 2 else line)

    monkeypatch.setattr("agent.events.os.write", part)
    log.when_full = lambda error: None
    for text in ("one", "two", "three"):
        log.emit("notice", text=text)
    log.close()
    events = read_events(tmp_path / "events.jsonl")
    assert [event.data["text"] for event in events] == ["one", "two", "three"]
    assert len(sizes) == 4
