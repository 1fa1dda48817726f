"""Taking turns between processes: one alone, several beside each other, and who waits is told for whom."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sandbox.leases import FileLease, Patience


class Time:
    """A clock on which a wait passes at once; ``then`` is called at each look."""

    def __init__(self, then=lambda: None) -> None:
        self.now_s, self.then = 0.0, then
        self.told: list[str] = []
        self.ended = 0

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        self.told.append(text)
        try:
            yield
        finally:
            self.ended += 1

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.then()

    def patience(self, leave=lambda: None) -> Patience:
        return Patience(self.waiting, leave, lambda: self.now_s, self.sleep)


@pytest.fixture
def holder(tmp_path: Path) -> FileLease:
    return FileLease("processors", folder=tmp_path)


def test_who_waits_is_told_for_whom_and_since_when(holder: FileLease, tmp_path: Path) -> None:
    time = Time()
    time.then = lambda: holder.give_back() if time.now_s > 30 else None
    holder.take()
    second = FileLease("processors", time.patience(), folder=tmp_path)
    second.take()
    (text,) = time.told
    assert text.startswith(f"for the processors, held by process {os.getpid()} since 20")
    assert time.ended == 1
    second.give_back()


def test_a_short_wait_is_not_told(holder: FileLease, tmp_path: Path) -> None:
    holder.take()
    time = Time(holder.give_back)
    FileLease("processors", time.patience(), folder=tmp_path).take()
    assert time.told == []


def test_a_wait_can_be_left(holder: FileLease, tmp_path: Path) -> None:
    class Left(Exception):
        pass

    time = Time()

    def leave() -> None:
        if time.now_s > 5:
            raise Left

    holder.take()
    other = FileLease("processors", time.patience(leave), folder=tmp_path)
    with pytest.raises(Left):
        other.take()
    assert time.ended == 1
    assert not holder.is_wanted
    holder.give_back()
    other.take()


def test_shared_work_runs_side_by_side_and_keeps_a_measurement_out(tmp_path: Path) -> None:
    first, second = (FileLease("processors", folder=tmp_path) for _ in range(2))
    first.take(shared=True)
    second.take(shared=True)
    time = Time()
    time.then = lambda: (first.give_back(), second.give_back()) if time.now_s > 2 else None
    alone = FileLease("processors", time.patience(), folder=tmp_path)
    alone.take()
    assert len(time.told) == 1
    alone.give_back()


def test_who_holds_it_sees_that_somebody_waits(holder: FileLease, tmp_path: Path) -> None:
    holder.take()
    assert not holder.is_wanted
    seen: list[bool] = []
    time = Time()
    time.then = lambda: (seen.append(holder.is_wanted), holder.give_back())
    other = FileLease("processors", time.patience(), folder=tmp_path)
    other.take()
    assert seen[0]
    other.give_back()
    assert not holder.is_wanted


def test_a_lease_ends_with_its_process(holder: FileLease, tmp_path: Path) -> None:
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        FileLease("processors", folder=tmp_path).take()
        os.write(told, b"x")
        threading.Event().wait()
    os.read(ready, 1)
    time = Time(lambda: (os.kill(child, 9), os.waitpid(child, 0)) if not ended.is_set() and not ended.set() else None)
    ended = threading.Event()
    FileLease("processors", time.patience(), folder=tmp_path).take()
    assert ended.is_set()


def test_who_signed_last_is_not_named_when_it_is_done(holder: FileLease, tmp_path: Path) -> None:
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        FileLease("processors", folder=tmp_path).take(shared=True)
        os.write(told, b"x")
        threading.Event().wait()
    os.read(ready, 1)
    holder.take(shared=True)
    holder.give_back()
    time = Time()

    def end() -> None:
        if time.told and not ended.is_set():
            ended.set()
            os.kill(child, 9)
            os.waitpid(child, 0)

    time.then, ended = end, threading.Event()
    FileLease("processors", time.patience(), folder=tmp_path).take()
    assert time.told == [f"for the processors, held by process {child}"]


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_a_link_in_the_place_of_a_lock_leads_to_nothing_that_is_written(tmp_path: Path, link) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")
    link(tmp_path / "kernelwright-processors.lock", precious)
    lease = FileLease("processors", folder=tmp_path)
    with suppress(OSError):
        lease.take()
    lease.give_back()
    assert precious.read_text() == "keep"
