"""A judge's turns on the processors: a turn within a turn is the same one, and who waits comes next."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from sandbox.devices import host_device
from sandbox.leases import LOOK_S, FileLease, Patience
from tools.turns import PROCESSORS, Turns


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sandbox.leases.tempfile.gettempdir", lambda: str(tmp_path))
    return tmp_path


def is_free(shared: bool = False) -> bool:
    class Taken(Exception):
        pass

    def leave() -> None:
        raise Taken

    lease = FileLease(PROCESSORS, Patience(leave=leave))
    try:
        lease.take(shared=shared)
    except Taken:
        return False
    lease.give_back()
    return True


def test_who_measures_has_the_processors_alone(folder: Path) -> None:
    turns = Turns(None, Patience(), lambda: None)
    with turns.alone():
        with turns.shared(), turns.alone():
            assert not is_free(shared=True)
        assert not is_free(shared=True)
    assert is_free()


def test_other_work_keeps_a_measurement_out_and_no_other_work(folder: Path) -> None:
    with Turns(None, Patience(), lambda: None).shared():
        assert is_free(shared=True)
        assert not is_free()
    assert is_free()


def test_an_accelerators_judge_takes_no_turns(folder: Path) -> None:
    with Turns(host_device(name="test"), Patience(), lambda: None).alone():
        assert list(folder.iterdir()) == []


def test_who_waits_gets_quiet_processors_next(folder: Path) -> None:
    did: list[object] = []
    turns = Turns(None, Patience(sleep=did.append), lambda: did.append("settled"))
    with turns.alone():
        pass
    assert did == []
    waiting = FileLease(PROCESSORS)
    queue = os.open(waiting._queue, 0o102)
    fcntl.flock(queue, fcntl.LOCK_SH)
    with turns.alone():
        pass
    os.close(queue)
    assert did == ["settled", 2 * LOOK_S]
