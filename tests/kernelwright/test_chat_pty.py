"""A chat as a person has it: at a terminal, with real sandboxes, killed in the middle and taken up again."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.events import is_locked

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 200.0
"""The most that is waited for one thing; nothing is asserted about how long it takes."""
PASTED = """\
def scaled(d, x):
    return torch.diag(d) @ x

"""
ANSWERS = ["d.unsqueeze(1) * x", "x * d[:, None]", "torch.einsum('i,ij->ij', d, x)", "(x.t() * d).t().contiguous()"]
QUICK = [
    *("--language", "python", "--slots", "1", "--stall", "50", "--blocks", "4", "--check-seeds", "1"),
    *("--close-call-s", "0", "--no-memory"),
]


PEOPLE: list[Person] = []
"""Those of a test: none of them outlives it."""


class Person:
    """One process at a pseudo-terminal, and what it has shown."""

    def __init__(self, *words: str, program: tuple[str, ...] = ("-m", "kernelwright")) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, *program, "chat", *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        os.close(slave)
        self.shown = ""
        PEOPLE.append(self)

    def sees(self, text: str) -> str:
        """Wait for a text; what was shown up to its end, which is not looked at again."""
        until = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            assert time.monotonic() < until, f"never saw {text!r} after:\n{self.shown}"
            if select.select([self.master], [], [], 1.0)[0]:
                try:
                    self.shown += os.read(self.master, 65536).decode("utf-8", "replace").replace("\r\n", "\n")
                except OSError as gone:
                    raise AssertionError(f"it ended before {text!r}:\n{self.shown}") from gone
        before, found, self.shown = self.shown.partition(text)
        return before + found

    def says(self, text: str) -> None:
        os.write(self.master, text.encode() + b"\n")

    def leaves(self) -> int:
        """Its exit code, once it has ended."""
        while True:
            try:
                if not os.read(self.master, 65536):
                    break
            except OSError:
                break
        code = self.process.wait(PATIENCE_S)
        os.close(self.master)
        return code

    def is_killed(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.leaves() == -signal.SIGKILL


def script(path: Path) -> Path:
    """A model that proposes one right kernel a round, each written otherwise."""

    def kernel(value: str) -> str:
        return (
            "import torch\n\n\nclass ModelNew(torch.nn.Module):\n    def forward(self, d, x):\n"
            "        if x.dim() != 2 or d.shape != x.shape[:1]:\n            raise ValueError\n"
            f"        return {value}\n"
        )

    def reply(value: str) -> list[dict]:
        calls = [
            {"name": "write_candidate", "args": {"source": kernel(value)}},
            {"name": "compile_candidate", "args": {}},
            {"name": "submit", "args": {"strategy": f"no product: {value}"}},
        ]
        return [{"tool_calls": calls}]

    proposals = [{"round": number, "replies": reply(value)} for number, value in enumerate(ANSWERS)]
    path.write_text(json.dumps({"proposals": proposals}))
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of its own; whatever search is left in it is ended."""
    home = tmp_path / "home"
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(home))
    yield home
    while PEOPLE:
        left = PEOPLE.pop().process
        left.kill()
        left.wait()
    for pid in home.glob("chats/*/run-*.pid"):
        number, run = int(pid.read_text()), str(pid.with_suffix(""))
        command = Path(f"/proc/{number}/cmdline")
        if command.exists() and run.encode() in command.read_bytes():
            os.kill(number, signal.SIGTERM)


SCRIPTED = (str(Path(__file__).with_name("chat_program.py")),)
"""The same command, but for the judge of its searches."""


@pytest.mark.bubblewrap
@pytest.mark.torch
def test_a_chat_is_killed_in_the_middle_resumed_and_left_with_the_kernel(home: Path, tmp_path: Path) -> None:
    person = Person("--no-memory", program=SCRIPTED)
    person.sees("What is to be made fast?")
    person.says("def scaled(d, x):\n    return d * x\n")
    person.sees("the shape of d and the shape of x?")
    person.says("d 16, x 16x16")
    assert "d 16 float32, x 16x16 float32" in person.sees("Is that right?")
    person.says("yes")
    person.sees("best so far")
    person.says("quit")
    person.sees("closed; the search goes on by itself: kernelwright chat --resume")
    assert person.leaves() == 130

    second = Person("--resume", program=SCRIPTED)
    second.sees("best so far")
    second.is_killed()
    (run,) = home.glob("chats/*/run-1")
    assert is_locked(run / "events.jsonl"), "the search goes on by itself"

    again = Person("--resume", program=SCRIPTED)
    again.sees("where it stood")
    again.sees("best so far")
    again.says("stop at 9x")
    again.sees("asked: stop at 9x")
    again.says("explain this kernel")
    again.sees("written by")
    again.says("stop")
    assert "stopped by request" in again.sees("Anything else?")
    again.says(f"save it to {tmp_path / 'mine.py'}")
    again.sees("mine.py")
    again.says("quit")
    assert again.leaves() == 0
    assert (tmp_path / "mine.py").read_text() == (run / "best.py").read_text()
    told = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert [one["data"]["kind"] for one in told if one["type"] == "steered"] == ["target", "finish"]
    assert not [one for one in told if one["type"] in ("resumed", "interrupted")], "it was never disturbed"


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.bubblewrap
@pytest.mark.torch
def test_the_same_with_a_real_judge_and_a_pause(home: Path, tmp_path: Path) -> None:
    person = Person("--model", f"scripted:{script(tmp_path / 'script.json')}", *QUICK)
    person.sees("What is to be made fast?")
    person.says(PASTED)
    person.sees("the shape of d and the shape of x?")
    person.says("d 1024, x 1024x1024")
    assert "d 1024 float32, x 1024x1024 float32" in person.sees("Is that right?")
    person.says("yes")
    person.sees("scaled on cpu, model scripted:")
    person.says("pause")
    person.sees("held: waiting to be told to go on")
    person.is_killed()

    (run,) = home.glob("chats/*/run-1")
    again = Person("--resume")
    again.sees("where it stood")
    again.sees("held: waiting to be told to go on")
    again.says("only elementwise operations")
    again.sees("Every prompt from now on says so.")
    again.says("go on")
    again.sees("asked: go on")
    again.sees("no product: ")  # the first candidate was judged
    again.says("stop")
    shown = again.sees("Anything else?")
    faster = re.search(r"result +faster", shown) is not None  # on a busy machine nothing is, for certain
    assert "stopped by request" in shown
    again.says("quit")
    assert again.leaves() == (0 if faster else 1)
    assert (run / "best.py").exists() == faster
    told = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    asked = [event["data"]["kind"] for event in told if event["type"] == "steered"]
    assert asked == ["pause", "hint", "go_on", "finish"]
    assert not [event for event in told if event["type"] in ("resumed", "interrupted")], "it was never disturbed"
