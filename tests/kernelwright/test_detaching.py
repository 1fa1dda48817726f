"""Work without a terminal: begun anew when it crashes, followed and spoken to from elsewhere."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from agent.events import Event, EventLog
from agent.folder import create_folder
from agent.settings import AgentSettings
from kernelwright import detaching
from kernelwright.detaching import LONG_S, MAX_TRIES, detach, is_attended, supervise
from kernelwright.following import PATIENCE_S, Tail, follow
from tools.errors import RequestError
from tools.problem import Problem


class Worker:
    """Ends with these codes, one after the other, after so many seconds."""

    def __init__(self, *codes: int, lasts_s: float = 1.0) -> None:
        self.codes, self.lasts_s, self.now, self.slept = list(codes), lasts_s, 0.0, []

    def work(self) -> int:
        self.now += self.lasts_s
        return self.codes.pop(0)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)

    def run(self) -> int:
        over = lambda code: code in (0, 1, 2, 130)  # noqa: E731
        return supervise(self.work, over, now=lambda: self.now, sleep=self.sleep)


def test_who_is_killed_is_begun_anew_with_growing_pauses(capsys) -> None:
    worker = Worker(-signal.SIGKILL, -signal.SIGKILL, 3, 0)
    assert worker.run() == 0
    assert worker.slept == [1.0, 2.0, 4.0]
    assert "the worker was ended by SIGKILL; begun anew in 1 s" in capsys.readouterr().err


def test_who_is_stopped_or_done_is_left_alone() -> None:
    for code in (0, 1, 2, 130):
        worker = Worker(code)
        assert worker.run() == code
        assert worker.slept == []


def test_who_fails_again_and_again_at_once_is_given_up(capsys) -> None:
    worker = Worker(*[3] * 100)
    assert worker.run() == 3
    assert len(worker.slept) == MAX_TRIES - 1
    assert max(worker.slept) <= 600
    assert "given up" in capsys.readouterr().err


def test_who_worked_long_is_begun_anew_at_once() -> None:
    worker = Worker(*[-9] * 40, 0, lasts_s=LONG_S)
    assert worker.run() == 0
    assert set(worker.slept) == {1.0}


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    settings = AgentSettings(home=tmp_path / "home")
    return create_folder(Problem("toy", "class Model: ...\ndef get_inputs(): ...\n"), settings).path


def test_the_leader_has_a_session_of_its_own_and_its_lines_are_kept(run_folder: Path, monkeypatch) -> None:
    """A program that says who it is takes the leader's place."""
    ready, told = os.pipe()
    program = f"import os, sys; print(os.getsid(0) == os.getpid()); sys.stdout.flush(); os.write({told}, b'x')"
    real = detaching.subprocess.Popen
    children = []

    def start(words, **options):
        children.append(real([words[0], "-c", program], pass_fds=(told,), **options))
        return children[-1]

    monkeypatch.setattr(detaching.subprocess, "Popen", start)
    before = signal.getsignal(signal.SIGHUP)  # under nohup it is ignored already
    started = detach(run_folder)
    os.read(ready, 1)
    assert children[0].wait() == 0
    assert Path(started["log"]).read_text() == "True\n"
    assert signal.getsignal(signal.SIGHUP) == before
    os.close(ready)
    os.close(told)


def test_nobody_is_detached_twice(run_folder: Path) -> None:
    log = EventLog(run_folder / "events.jsonl")
    assert is_attended(run_folder)
    with pytest.raises(RequestError, match="another process works on"):
        detach(run_folder)
    log.close()
    assert not is_attended(run_folder)


def test_a_log_is_followed_as_it_grows_to_its_end(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    texts = iter(["two", "three"])
    log.emit("notice", text="one")

    def sleep(seconds: float) -> None:
        text = next(texts, None)
        if text is None:
            log.emit("interrupted", message="enough")
        else:
            log.emit("notice", text=text)

    ends = lambda event: event.type == "interrupted"  # noqa: E731
    seen = list(follow(Tail(log.path).read, ends, lambda: True, sleep=sleep))
    assert [event.data.get("text") for event in seen] == ["one", "two", "three", None]
    log.close()


def test_a_torn_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = json.dumps(Event(0, "t", 0.0, "notice", {"text": "whole"}).to_json()).encode() + b"\n"
    tail = Tail(path)
    assert tail.read() == []
    path.write_bytes(line[:9])
    assert tail.read() == []
    path.write_bytes(line)
    assert [event.data for event in tail.read()] == [{"text": "whole"}]
    assert tail.read() == []


def test_nobody_waits_for_ever_for_who_is_gone() -> None:
    slept: list[float] = []
    assert list(follow(list, lambda event: False, lambda: False, sleep=slept.append)) == []
    assert sum(slept) <= PATIENCE_S


def test_what_is_wrong_with_a_detached_run_is_told_at_once_and_what_is_right_is_left_to_the_leader(
    command, tmp_path: Path, monkeypatch
) -> None:
    started = []
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("kernelwright.commands.run.detach", lambda folder: started.append(folder) or {"log": "the log"})
    problem = tmp_path / "problem.py"
    assert "no problem file" in command("optimize", problem, "--detach").is_one_line(2)
    problem.write_text("class Model: ...\ndef get_inputs(): ...\n")
    assert "--slots" in command("optimize", problem, "--slots", "0", "--detach").is_one_line(2)
    assert started == []
    answer = command("optimize", problem, "--detach", "--seed", "7")
    assert answer.code == 0
    (folder,) = started
    assert json.loads((folder / "run.json").read_text())["settings"]["seed"] == 7
    assert answer.out == f"{folder.name} goes on by itself: kernelwright watch {folder.name}\n"
    assert command("resume", folder.name, "--detach", "--json").json["folder"] == str(folder)
    assert started == [folder, folder]
