"""How much a job may have been seen on a processor after it was stopped."""

from __future__ import annotations

import threading

import pytest

from sandbox import holding
from sandbox.errors import HoldFailed
from sandbox.holding import FORGIVEN_NS, Holder, Seen

MAIN, OTHER = (7, "7"), (7, "8")


class Job:
    """Of two threads, of which all that is known is what a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads = {MAIN: Seen(1000, 3), OTHER: Seen(5000, 5)}
        self.states = {"T"}
        self.members = {7}
        monkeypatch.setattr(holding, "_arrivals", lambda pids: dict(self.threads))
        monkeypatch.setattr(holding, "_states_of", lambda pids: self.states)
        monkeypatch.setattr(Holder, "_members", lambda holder: self.members)
        self.holder = object.__new__(Holder)
        self.holder._lock = threading.Lock()
        self.holder._stopped = {7}
        self.holder._forgiven_ns = 0
        self.holder._arrivals = dict(self.threads)

    def runs(self, key: tuple[int, str], run_ns: int) -> None:
        before = self.threads[key]
        self.threads[key] = Seen(before.run_ns + run_ns, before.arrivals + 1)


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Job:
    return Job(monkeypatch)


def test_a_few_instructions_are_forgiven_and_no_more_than_that_in_a_life(job: Job) -> None:
    job.holder.require_still()
    for _ in range(2):
        job.runs(OTHER, FORGIVEN_NS // 4)
        job.runs(MAIN, FORGIVEN_NS // 4)
        job.holder.require_still()
    job.holder.require_still()
    job.runs(OTHER, 1)
    with pytest.raises(HoldFailed, match="1 of its threads ran"):
        job.holder.require_still()


def test_time_that_was_counted_late_is_not_held_against_it(job: Job) -> None:
    """A thread's time is added up when it leaves: one that was seen before that had arrived before."""
    job.threads[OTHER] = Seen(5000 + 5 * FORGIVEN_NS, 5)
    job.holder.require_still()
    assert job.holder._forgiven_ns == 0


@pytest.mark.parametrize("what", ["runs", "gone", "new thread", "new process"])
def test_what_runs_is_gone_or_is_new_is_told(job: Job, what: str) -> None:
    if what == "runs":
        job.states = {"T", "R"}
    elif what == "gone":
        del job.threads[OTHER]
    elif what == "new thread":
        job.threads[7, "9"] = Seen(0, 1)
    else:
        job.members = {7, 11}
    with pytest.raises(HoldFailed):
        job.holder.require_still()
