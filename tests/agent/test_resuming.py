"""kill -9 at any moment, then resume: nothing twice, nothing lost, the same champion."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agent.checkpointing import KEPT, LatestSaver
from agent.errors import RunError
from agent.events import EventLog, read_events
from agent.run import Seams, optimize, resume
from tools.errors import RequestError
from tools.fake_judge import FakeJudge

REPOSITORY = Path(__file__).resolve().parents[2]


def kill_and_resume(toy, folder: Path, numbers: list[int], *extra: str) -> list[dict]:
    done = subprocess.run(
        [sys.executable, toy.__file__, str(folder), *map(str, numbers), *extra],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_run_killed_at_every_event_comes_to_the_same_end(toy, tmp_path: Path) -> None:
    (unbroken,) = kill_and_resume(toy, tmp_path, [0])
    total = len(read_events(tmp_path / "0" / "run" / "events.jsonl"))
    assert unbroken["counts"]["confirmed"] == 2, "the scenario is meant to fall back once"
    assert unbroken["counts"]["proposed"] > unbroken["candidates"], "and to hold a duplicate"

    broken = kill_and_resume(toy, tmp_path, list(range(1, total + 1)))

    assert [run["event"] for run in broken] == list(range(1, total + 1))
    for run in broken:
        assert {**run, "event": 0} == unbroken
        assert run["twice"] == []


def test_a_run_killed_again_and_again_comes_to_the_same_end(toy, tmp_path: Path) -> None:
    (unbroken,) = kill_and_resume(toy, tmp_path, [0])
    (broken,) = kill_and_resume(toy, tmp_path, [9], "--again")
    assert {**broken, "event": 0} == unbroken
    resumed = [event for event in read_events(tmp_path / "9" / "run" / "events.jsonl") if event.type == "resumed"]
    assert len(resumed) > 3


@pytest.mark.parametrize("policy", ["evolution", pytest.param("mcts", marks=pytest.mark.slow)])
def test_a_killed_run_chooses_as_an_unbroken_one(toy, tmp_path: Path, policy: str) -> None:
    changes = json.dumps({"policy": policy, "drafts": 3, "restart_after": 2, "max_candidates": 9})
    (unbroken,) = kill_and_resume(toy, tmp_path, [0], changes)
    events = read_events(tmp_path / "0" / "run" / "events.jsonl")
    kinds = {kind for event in events if event.type == "round_started" for kind in event.data["kinds"]}
    assert kinds == {"draft", "restart", ""}
    broken = kill_and_resume(toy, tmp_path, list(range(3, len(events), 7)), changes)
    assert len(broken) > 8
    for run in broken:
        assert {**run, "event": 0} == unbroken


def test_a_long_run_keeps_the_latest_checkpoints_only(toy, home: Path) -> None:
    seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object())
    outcome = optimize(toy.PROBLEM, toy.settings(home, max_candidates=12, memory=False), seams=seams)
    with closing(sqlite3.connect(Path(outcome.run_dir) / "checkpoints.db")) as database:
        for table in ("checkpoints", "writes"):
            query = f"SELECT COUNT(DISTINCT checkpoint_id) FROM {table}"
            assert 1 <= database.execute(query).fetchone()[0] <= KEPT


def test_a_run_of_an_earlier_version_is_refused_in_one_line(toy, home: Path) -> None:
    from langgraph.checkpoint.base import empty_checkpoint

    interrupted = interrupt_at(toy, home, "reflected")
    folder = Path(interrupted.run_dir)
    with closing(sqlite3.connect(folder / "checkpoints.db")) as database:
        config = {"configurable": {"thread_id": interrupted.run_id, "checkpoint_ns": ""}}
        LatestSaver(database).put(config, {**empty_checkpoint(), "channel_values": {"nodes": ["a"]}}, {}, {})
    seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object())
    again = resume(folder, seams=seams)
    assert again.status == "failed"
    assert again.message.startswith("this run was begun by an earlier version")


def test_time_goes_on_where_a_killed_run_stopped(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    now = [100.0]
    first = EventLog(path, clock=lambda: now[0])
    now[0] = 130.0
    first.emit("notice", text="half a minute")
    first.close()
    now[0] = 5.0  # another boot of the machine
    second = EventLog(path, clock=lambda: now[0])
    now[0] = 15.0
    assert second.elapsed_s() == pytest.approx(40.0)
    assert second.emit("notice", text="more").seq == 1
    second.close()


def test_a_finished_run_is_not_run_again(toy, home: Path) -> None:
    judge = FakeJudge(toy.follow)
    outcome = optimize(toy.PROBLEM, toy.settings(home), seams=Seams(judge=judge, propose=toy.climb, model=object()))
    log = (Path(outcome.run_dir) / "events.jsonl").read_bytes()
    untouched = FakeJudge({})
    assert resume(Path(outcome.run_dir), seams=Seams(judge=untouched, model=object())) == outcome
    assert untouched.judged == []
    assert (Path(outcome.run_dir) / "events.jsonl").read_bytes() == log


def test_a_finished_run_may_be_moved(toy, home: Path, tmp_path: Path) -> None:
    seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object())
    outcome = optimize(toy.PROBLEM, toy.settings(home), seams=seams)
    moved = Path(outcome.run_dir).rename(tmp_path / "moved")
    again = resume(moved)
    assert again.run_dir == str(moved)
    assert again.best is not None
    assert Path(again.best["path"]).read_text() == (moved / "best.py").read_text()


def test_a_torn_last_line_is_forgotten(toy, home: Path) -> None:
    interrupted = interrupt_at(toy, home, "reflected")
    log = Path(interrupted.run_dir) / "events.jsonl"
    whole = read_events(log)
    with log.open("ab") as file:
        file.write(b'{"seq": 99, "time": "2026-01-01T00:00:00.000Z", "elapsed_s": 1.0, "ty')
    assert read_events(log) == whole
    seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object())
    outcome = resume(Path(interrupted.run_dir), seams=seams)
    assert outcome.status == "improved"
    events = read_events(log)
    assert [event.seq for event in events] == list(range(len(events)))


def test_a_damaged_line_in_the_middle_is_an_error(toy, home: Path) -> None:
    interrupted = interrupt_at(toy, home, "reflected")
    log = Path(interrupted.run_dir) / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:2], b"nonsense\n", *lines[3:]]))
    with pytest.raises(RunError, match="damaged at line 3"):
        resume(Path(interrupted.run_dir), seams=Seams(judge=FakeJudge(toy.follow), model=object()))


def test_two_processes_cannot_work_on_one_run(toy, home: Path) -> None:
    interrupted = interrupt_at(toy, home, "reflected")
    holder = EventLog(Path(interrupted.run_dir) / "events.jsonl")
    try:
        with pytest.raises(RequestError, match="another process"):
            resume(Path(interrupted.run_dir), seams=Seams(judge=FakeJudge(toy.follow), model=object()))
    finally:
        holder.close()


def test_a_run_killed_before_its_log_began_can_be_resumed(toy, home: Path) -> None:
    interrupted = interrupt_at(toy, home, "run_started")
    folder = Path(interrupted.run_dir)
    (folder / "events.jsonl").unlink()
    (folder / "checkpoints.db").unlink()
    seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object())
    assert resume(folder, seams=seams).status == "improved"


def test_what_is_no_run_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"no run\.json"):
        resume(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(RunError, match="damaged"):
        resume(tmp_path)


def interrupt_at(toy, home: Path, type_: str):
    from agent.stopping import StopFlag

    stop = StopFlag()

    def ask(event) -> None:
        if event.type == type_:
            stop.request("a test")

    seams = Seams(judge=FakeJudge(toy.follow), propose=toy.climb, model=object(), stop=stop)
    outcome = optimize(toy.PROBLEM, toy.settings(home), subscribers=[ask], seams=seams)
    assert outcome.status == "interrupted"
    return outcome
