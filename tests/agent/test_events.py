from __future__ import annotations

import gc
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import RunError
from agent.events import EVENT_TYPES, Event, EventLog, is_locked, read_events
from agent.ledger import Ledger
from tools.errors import RequestError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_what_is_written_is_read_back(path: Path) -> None:
    told: list[Event] = []
    log = EventLog(path, subscribers=[told.append])
    log.emit("run_started", run_id="r", problem="ü\n")
    log.emit("judged", candidate="c", verdict={"speedup": 1.5, "seed": (1 << 63) - 1, "log": "x\udce9 \x00"})
    log.close()
    assert read_events(path) == told
    assert [event.seq for event in told] == [0, 1]
    assert len(path.read_bytes().splitlines()) == 2
    for line in path.read_text().splitlines():
        assert list(json.loads(line)) == ["seq", "time", "elapsed_s", "type", "data"]


@pytest.mark.parametrize("size", [1, 100, 300, 1 << 20])
def test_lines_are_read_in_chunks_of_any_size(path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("agent.events._CHUNK_BYTES", size)
    log = EventLog(path)
    told = [log.emit("notice", text="line\nbreak\r" + "x" * length) for length in (0, 50, 400, 0, 90, 200)]
    log.close()
    assert read_events(path) == told
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert read_events(path) == told[:-1]
    lines = whole.splitlines(keepends=True)
    for bad in (b"\n", b"[1]\n", b'{"seq": 1},{"seq": 2}\n', lines[0][:-1] + b", " + lines[1]):
        path.write_bytes(b"".join([*lines[:3], bad, *lines[3:]]))
        with pytest.raises(RunError, match="damaged at line 4"):
            read_events(path)


def test_unknown_types_are_refused(path: Path) -> None:
    log = EventLog(path)
    with pytest.raises(ValueError, match="finished_run"):
        log.emit("finished_run")
    log.close()
    assert path.read_bytes() == b""


def test_numbers_that_are_no_json_become_null(path: Path) -> None:
    log = EventLog(path)
    log.emit("notice", value=float("inf"), nested=[{"x": float("nan")}], kept=1.5)
    log.close()
    (event,) = read_events(path)
    assert event.data == {"value": None, "nested": [{"x": None}], "kept": 1.5}


def test_many_threads_write_whole_lines(path: Path) -> None:
    told: list[int] = []
    log = EventLog(path, subscribers=[lambda event: told.append(event.seq)])
    threads = [
        threading.Thread(target=lambda: [log.emit("notice", text="x" * 5000) for _ in range(25)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert [event.seq for event in read_events(path)] == list(range(200))
    assert told == list(range(200))


def test_a_reader_sees_whole_lines_while_one_is_being_written(path: Path) -> None:
    log = EventLog(path)
    log.emit("notice", text="one")
    with path.open("ab") as file:
        file.write(b'{"seq": 1, "ty')
    assert len(read_events(path)) == 1
    log.close()
    mended = EventLog(path)
    assert [event.data["text"] for event in mended.history] == ["one"]
    mended.emit("notice", text="two")
    mended.close()
    assert [event.data["text"] for event in read_events(path)] == ["one", "two"]


def test_a_last_line_that_is_whole_but_no_event_is_cut_off_too(path: Path) -> None:
    EventLog(path).close()
    path.write_bytes(b'{"seq": 0}\n')
    assert read_events(path) == []
    EventLog(path).close()
    assert path.read_bytes() == b""


def test_one_writer_at_a_time(path: Path) -> None:
    log = EventLog(path)
    assert is_locked(path)
    with pytest.raises(RequestError, match="another process"):
        EventLog(path)
    log.close()
    log.close()
    assert not is_locked(path)
    with pytest.raises(RunError, match="closed"):
        log.emit("notice")


@pytest.fixture
def collections() -> Iterator[list[dict[str, int]]]:
    """What the garbage collector did, which looks for some at every chance."""
    seen: list[dict[str, int]] = []

    def tell(phase: str, info: dict[str, int]) -> None:
        seen.append(info)

    before = gc.get_threshold()
    gc.set_threshold(1)
    gc.callbacks.append(tell)
    yield seen
    gc.callbacks.remove(tell)
    gc.set_threshold(*before)


def test_nothing_is_collected_while_a_log_is_read(path: Path, collections: list[dict[str, int]]) -> None:
    log = EventLog(path)
    for number in range(300):
        log.emit("answered", round=number, slot=0, number=0, question=["a"], candidate="c", answer="")
    log.close()
    assert len(collections) > 300, "the fixture sees them"
    collections.clear()
    assert len(Ledger(read_events(path)).all("answered")) == 300
    assert len(collections) < 50


def test_a_large_history_is_kept_from_the_collector_while_its_log_is_open(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.events.LARGE", 3)
    assert gc.get_freeze_count() == 0
    for events in range(4):
        log = EventLog(path)
        assert bool(gc.get_freeze_count()) is (events >= 3)
        log.emit("notice", text="one more")
        log.close()
        assert gc.get_freeze_count() == 0
    assert gc.isenabled()


def test_a_missing_log_is_an_error(path: Path) -> None:
    with pytest.raises(RunError, match="cannot read"):
        read_events(path)
    with pytest.raises(RunError, match="cannot open"):
        EventLog(path / "below" / "events.jsonl")


def test_a_full_disk_leaves_no_half_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(path)
    log.emit("notice", text="before")
    before = path.read_bytes()
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[: len(data) // 2]))
    with pytest.raises(RunError, match="full"):
        log.emit("notice", text="after")
    monkeypatch.undo()
    assert path.read_bytes() == before
    log.emit("notice", text="later")
    log.close()
    assert [event.seq for event in read_events(path)] == [0, 1]


def test_every_type_is_documented() -> None:
    import agent.events

    for name in EVENT_TYPES:
        assert f"``{name}``" in (agent.events.__doc__ or ""), name
