"""Run folders, and finding runs again."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from agent.errors import RunError
from agent.events import EventLog
from agent.folder import create_folder, open_folder, write_atomically
from agent.runs import find_run, list_runs, run_status
from agent.settings import AgentSettings
from tools.errors import RequestError
from tools.problem import Problem

PROBLEM = Problem("softmax", "class Model: ...\n")


def make(home: Path, **changes):
    return create_folder(PROBLEM, AgentSettings(home=home, **changes))


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*")) if folder.exists() else []


def test_a_new_folder_says_what_runs(home: Path) -> None:
    folder = make(home, api_key="sk-secret")
    info = json.loads((folder.path / "run.json").read_text())
    assert (info["problem"], info["target"], info["model"]) == ("softmax", "cpu", "builtin")
    assert info["started_at"].endswith("Z")
    assert folder.problem() == PROBLEM
    assert open_folder(folder.path).run_id == folder.run_id == info["run_id"]
    assert "sk-secret" not in (folder.path / "run.json").read_text()


def test_nothing_is_written_over(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(home, out=out)
    with pytest.raises(RequestError, match="already holds a run"):
        make(home, out=out)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "problem.py").write_text("precious")
    with pytest.raises(RequestError, match="not empty"):
        make(home, out=mine)
    with pytest.raises(RequestError, match="is a file"):
        make(home, out=mine / "problem.py")
    assert (mine / "problem.py").read_text() == "precious"
    assert [path.name for path in mine.iterdir()] == ["problem.py"]


def test_an_empty_folder_that_was_there_stays(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    folder = make(home, out=out)
    folder.discard(home)
    assert everything(out) == []
    assert out.exists()
    assert list_runs(home) == []


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.EROFS, RequestError, "read-only file system.*--out"),
        (errno.EACCES, RequestError, "permission denied.*--out"),
        (errno.ENOSPC, RunError, "no space left.*--out"),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_line_and_no_files(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception], words: str
) -> None:
    def refuse(path: Path, text: str) -> None:
        if path.name == "run.json":
            raise OSError(number, os.strerror(number))
        write_atomically(path, text)

    monkeypatch.setattr("agent.folder.write_atomically", refuse)
    with pytest.raises(kind, match=words) as caught:
        make(home, out=tmp_path / "a" / "b")
    assert "\n" not in str(caught.value)
    assert everything(tmp_path) == []


def test_a_home_that_cannot_be_written_names_its_variable(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(RequestError, match="KERNELWRIGHT_HOME"):
        make(tmp_path / "home", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_disk_that_is_nearly_full_is_told_before_anything_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=4096)
    monkeypatch.setattr("agent.folder.shutil.disk_usage", lambda _: usage)
    with pytest.raises(RunError, match="only 4 KiB left"):
        make(home)
    assert everything(home) == []


def test_a_file_may_come_in_pieces_and_is_whole_or_not_there(tmp_path: Path) -> None:
    def pieces(last: object):
        yield "one\n"
        yield last

    write_atomically(tmp_path / "a", pieces("two\n"))
    assert (tmp_path / "a").read_text() == "one\ntwo\n"
    with pytest.raises(TypeError):
        write_atomically(tmp_path / "a", pieces(3))
    assert (tmp_path / "a").read_text() == "one\ntwo\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_files_appear_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "best.py"
    write_atomically(path, "old")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("agent.folder.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["best.py"]


def test_runs_are_listed_newest_first_with_their_state(home: Path, tmp_path: Path) -> None:
    running, killed, improved, gone = (make(home, out=tmp_path / str(index)) for index in range(4))
    log = EventLog(running.events)
    log.emit("run_started", run_id=running.run_id)
    other = EventLog(improved.events)
    other.emit("run_finished", status="improved", best={"speedup": 1.5, "log": "x" * 400_000})
    other.emit("notice", text="a word after the end")
    other.close()
    shutil.rmtree(gone.path)
    try:
        states = {info["run_id"]: (info["status"], info["speedup"]) for info in list_runs(home)}
        assert states == {
            running.run_id: ("running", None),
            killed.run_id: ("interrupted", None),
            improved.run_id: ("improved", 1.5),
            gone.run_id: ("missing", None),
        }
        times = [info["started_at"] for info in list_runs(home)]
        assert times == sorted(times, reverse=True)
    finally:
        log.close()


def test_a_run_that_is_taken_up_again_is_no_longer_finished(home: Path) -> None:
    folder = make(home)
    log = EventLog(folder.events)
    log.emit("run_finished", status="failed", best=None)
    assert run_status(folder.path)["status"] == "failed"
    log.emit("resumed", run_id=folder.run_id)
    assert run_status(folder.path)["status"] == "running"
    log.close()
    assert run_status(folder.path)["status"] == "interrupted"


def test_damaged_index_entries_are_passed_over(home: Path) -> None:
    folder = make(home)
    (home / "index" / "x.json").write_text("{")
    (home / "index" / "y.json").write_text("[]")
    assert [info["run_id"] for info in list_runs(home)] == [folder.run_id]
    assert list_runs(home / "nowhere") == []


def test_runs_are_found_by_folder_id_and_beginning(home: Path, tmp_path: Path) -> None:
    first, second = make(home), make(home, out=tmp_path / "out")
    assert find_run(tmp_path / "out", home) == second.path
    assert find_run(second.run_id, home) == second.path
    assert find_run(first.run_id[:-1], home) == first.path
    with pytest.raises(RequestError, match="beginning of 2 runs"):
        find_run(first.run_id[:4], home)
    with pytest.raises(RequestError, match="kernelwright runs"):
        find_run("nonsense", home)
    with pytest.raises(RequestError, match="no run"):
        find_run("", home)
    shutil.rmtree(second.path)
    with pytest.raises(RequestError, match="is gone"):
        find_run(second.run_id, home)


def test_what_a_killed_start_left_is_no_obstacle(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "problem.py").write_text(PROBLEM.source)
    (out / ".run.json.abcd1234").write_text('{"run')
    folder = make(home, out=out)
    folder.clear_work()
    assert sorted(path.name for path in out.iterdir()) == ["problem.py", "run.json"]


@pytest.mark.parametrize("name", ["problem.py", "notes.txt", ".hidden"])
def test_what_somebody_else_left_is_not_written_over(home: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(RequestError, match="not empty"):
        make(home, out=out)
    assert (out / name).read_text() == "mine"


def test_a_run_killed_before_it_was_listed_can_be_listed_later(home: Path) -> None:
    folder = make(home)
    (entry,) = (home / "index").iterdir()
    written = entry.read_text()
    entry.unlink()
    assert list_runs(home) == []
    folder.enter_index(home)
    assert entry.read_text() == written
    assert find_run(folder.run_id, home) == folder.path
    entry.write_text("kept")
    folder.enter_index(home)
    assert entry.read_text() == "kept"
