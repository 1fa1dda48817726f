"""How often a job may be seen on a processor after it was stopped."""

from __future__ import annotations

import threading

import pytest

from sandbox import holding
from sandbox.errors import HoldFailed
from sandbox.holding import Holder


class Held:
    """A job of two threads of which all that is known is what a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrivals = {(7, "7"): 3, (7, "8"): 5}
        self.states = ["T", "T"]
        monkeypatch.setattr(holding, "_arrivals", lambda pids: dict(self.arrivals))
        monkeypatch.setattr(holding, "_states", lambda pid: self.states)
        self.holder = object.__new__(Holder)
        self.holder._lock = threading.Lock()
        self.holder._stopped = {7}
        self.holder._slips = 0
        self.holder._arrivals = dict(self.arrivals)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    return Held(monkeypatch)


def test_one_more_arrival_is_a_slip_and_slips_are_few(held: Held) -> None:
    held.holder.require_still()
    for _ in range(holding._SLIPS):
        held.arrivals[7, "8"] += 1
        held.holder.require_still()
    held.holder.require_still()
    held.arrivals[7, "8"] += 1
    with pytest.raises(HoldFailed, match="1 of its threads ran"):
        held.holder.require_still()


@pytest.mark.parametrize("moved", [{(7, "7"): 1, (7, "8"): 1}, {(7, "8"): 2}])
def test_more_than_that_is_none(held: Held, moved: dict[tuple[int, str], int]) -> None:
    for key, count in moved.items():
        held.arrivals[key] += count
    with pytest.raises(HoldFailed):
        held.holder.require_still()


def test_a_thread_that_runs_or_is_gone_is_told(held: Held) -> None:
    held.states = ["T", "R"]
    with pytest.raises(HoldFailed):
        held.holder.require_still()
    held.states = ["T"]
    del held.arrivals[7, "8"]
    with pytest.raises(HoldFailed):
        held.holder.require_still()
