"""The terminal's side of a chat: pastes, pipes, closed inputs, exit codes; without any search."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelwright.chat_lines import Lines
from kernelwright.chat_searches import ChildSearches


@pytest.fixture
def pipe() -> Iterator[tuple[Lines, int]]:
    read, write = os.pipe()
    yield Lines(read), write
    os.close(read)


def test_lines_come_one_by_one_and_the_end_is_told(pipe: tuple[Lines, int]) -> None:
    lines, write = pipe
    os.write(write, b"one\r\n\ntw")
    assert (lines.line(), lines.line(), lines.line(0.0)) == ("one", "", None)
    assert not lines.at_end
    os.write(write, "ö\nrest".encode())
    os.close(write)
    assert (lines.line(), lines.line(), lines.line(), lines.at_end) == ("twö", "rest", None, True)


@pytest.mark.parametrize(
    ("text", "block", "rest"),
    [
        ("softmax 8x8\nyes\n", "softmax 8x8", "yes"),
        ("def f(x):\n\n    y = x\n\n\n    return y\n.\n8x8\n", "def f(x):\n\n    y = x\n\n\n    return y\n", "8x8"),
        ("```python\nx @ y\n\n.\n```\n8x8\n", "```python\nx @ y\n\n.\n```\n", "8x8"),
        ("import torch\ntorch.exp(x)\n", "import torch\ntorch.exp(x)\n", None),
    ],
)
def test_code_over_a_pipe_ends_where_it_says(pipe: tuple[Lines, int], text: str, block: str, rest: str | None) -> None:
    lines, write = pipe
    os.write(write, text.encode())
    os.close(write)
    first = lines.line()
    assert first is not None
    assert lines.block(first) == block
    assert lines.line() == rest


def test_a_paste_at_a_terminal_ends_at_a_blank_line_after_which_nothing_comes() -> None:
    master, slave = pty.openpty()
    lines = Lines(slave)
    os.write(master, b"def f(x):\n\n    return x\n\n")
    first = lines.line()
    assert first is not None
    assert lines.block(first) == "def f(x):\n\n    return x\n"
    os.close(master)
    os.close(slave)


def test_a_process_number_that_came_round_again_is_not_ours(tmp_path: Path) -> None:
    searches, run = ChildSearches(), tmp_path / "run-1"
    assert not searches.is_starting(run)
    (tmp_path / "run-1.pid").write_text(str(os.getpid()))
    assert not searches.is_starting(run)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, command):
    """Run the command with a text on its standard input."""

    def run(text: str, *words: object):
        read, write = os.pipe()
        os.write(write, text.encode())
        os.close(write)
        with os.fdopen(read) as stream:
            monkeypatch.setattr("sys.stdin", stream)
            return command("chat", *words)

    return run


def test_the_end_of_the_input_closes_it_and_it_can_be_taken_up(said, command) -> None:
    answer = said("def fused(x, w):\n    return x @ w\n")
    assert answer.code == 130
    assert "the shape of x and the shape of w?" in answer.out
    assert "> def fused(x, w):" in answer.out, "over a pipe what was said stands before the answer"
    chat_id = answer.out.split()[1].rstrip(";")
    assert f"closed: kernelwright chat --resume {chat_id}" in answer.out

    again = said("what?\n", "--resume", chat_id[:15])
    assert again.code == 130
    assert again.out.count("the shape of x and the shape of w?") == 2
    assert "What is to be made fast?" not in again.out
    listed = command("chat", "--list")
    assert chat_id in listed.out
    assert "no search yet" in listed.out


def test_quit_before_a_search_and_a_problem_file(said, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def fused(x):\n    return x * 2\n")
    answer = said("help\nquit\n", path)
    assert answer.code == 130
    assert "fused: what is the shape of x?" in answer.out
    assert "stop at 2x" in answer.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["/nowhere/x.py"], "cannot read /nowhere/x.py"),
        (["--resume"], "no chats yet"),
        (["--resume", "x", "--seed", "3"], "give no others"),
        (["--max-candidates", "0"], "--max-candidates"),
        (["--model", "nothing"], "nothing"),
    ],
)
def test_wrong_requests_are_one_line(said, words: list[str], told: str) -> None:
    assert told in said("", *words).is_one_line(2)


def test_nothing_to_list(command) -> None:
    assert command("chat", "--list").out.startswith("no chats yet")
