from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from sandbox.conformance_probes import open_descriptors
from sandbox.errors import SandboxError, SessionEnded, SessionTimeout
from sandbox.piping import Capture, drain, read_exactly, write_all
from sandbox.spawning import open_pipes, signed, spawn

SOON, LATE = 0.02, 30.0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int, int]]:
    """A non-blocking pipe (its reading and its writing end) and the descriptor that says "over"."""
    read, write = os.pipe2(os.O_NONBLOCK)
    over = os.eventfd(0)
    yield read, write, over
    for fd in (read, write, over):
        try:
            os.close(fd)
        except OSError:
            continue


def after(seconds: float) -> float:
    return time.monotonic() + seconds


def test_a_writer_that_nobody_reads_is_given_up(pipe: tuple[int, int, int]) -> None:
    with pytest.raises(SessionEnded, match="in time"):
        write_all(pipe[1], bytes(1 << 22), after(SOON), pipe[2])


def test_a_closed_reader_is_noticed(pipe: tuple[int, int, int]) -> None:
    os.close(pipe[0])
    with pytest.raises(SessionEnded, match="no longer reads"):
        write_all(pipe[1], b"x", after(LATE), pipe[2])


def test_what_was_written_can_be_read_after_the_writer_is_gone(pipe: tuple[int, int, int]) -> None:
    read, write, over = pipe
    write_all(write, memoryview(bytearray(b"abcdef")), after(LATE), over)
    os.close(write)
    buffer = bytearray(4)
    read_exactly(read, memoryview(buffer), after(LATE), over)
    assert buffer == b"abcd"
    with pytest.raises(SessionEnded, match="after 2 of 4"):
        read_exactly(read, memoryview(buffer), after(LATE), over)


def test_a_partial_answer_is_a_timeout(pipe: tuple[int, int, int]) -> None:
    os.write(pipe[1], b"abc")
    with pytest.raises(SessionTimeout, match="3 of 4 bytes"):
        read_exactly(pipe[0], memoryview(bytearray(4)), after(SOON), pipe[2])


def test_nothing_asked_for_is_there_at_once(pipe: tuple[int, int, int]) -> None:
    read_exactly(pipe[0], memoryview(bytearray()), after(0), pipe[2])
    write_all(pipe[1], b"", after(0), pipe[2])


def test_both_ways_end_when_it_is_over(pipe: tuple[int, int, int]) -> None:
    read, write, over = pipe
    os.eventfd_write(over, 1)
    with pytest.raises(SessionEnded, match="stopped"):
        read_exactly(read, memoryview(bytearray(1)), after(LATE), over)
    with pytest.raises(SessionEnded, match="stopped"):
        write_all(write, bytes(1 << 22), after(LATE), over)


def test_other_shapes_than_bytes_pass(pipe: tuple[int, int, int]) -> None:
    read, write, over = pipe
    numbers = memoryview(bytearray(range(24))).cast("H")
    write_all(write, numbers, after(LATE), over)
    back = memoryview(bytearray(24)).cast("B", (2, 3, 4))
    read_exactly(read, back, after(LATE), over)
    assert back.tobytes() == numbers.tobytes()


def test_captures_keep_the_head_or_the_newest() -> None:
    head, newest = Capture(4, newest=False), Capture(4, newest=True)
    for capture in (head, newest):
        for chunk in (b"abc", b"def", b"g"):
            capture.add(chunk)
    assert (head.read(), newest.read()) == (b"abcd", b"defg")
    assert head.truncated
    assert newest.truncated
    exact = Capture(3, newest=False)
    exact.add(b"abc")
    assert (exact.read(), exact.truncated) == (b"abc", False)


def test_a_flood_does_not_grow_the_capture() -> None:
    capture = Capture(10, newest=True)
    for _ in range(64):
        capture.add(bytes(1 << 20))
    assert len(capture._kept) < 4 << 20
    assert len(capture.read()) == 10


def test_drain_tells_the_end_from_a_pause(pipe: tuple[int, int, int]) -> None:
    read, write, _ = pipe
    capture = Capture(100, newest=False)
    assert drain(read, capture)
    os.write(write, b"x")
    assert drain(read, capture)
    os.close(write)
    assert not drain(read, capture)
    assert capture.read() == b"x"


def test_a_program_that_cannot_be_started_is_an_error_and_leaks_nothing() -> None:
    before = open_descriptors()
    near, far = open_pipes()
    with pytest.raises(SandboxError, match="no-such-launcher"):
        spawn(["/no-such-launcher"], far, cwd="/")
    near.close()
    near.close()
    assert open_descriptors() == before


def test_the_spawner_serves_many_threads() -> None:
    codes: list[int] = []

    def start() -> None:
        near, far = open_pipes()
        codes.append(spawn(["/bin/sh", "-c", "exit 7"], far, cwd="/").wait())
        near.close()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [7] * 8


def test_exit_statuses() -> None:
    assert [signed(status) for status in (0, 1, 127, 128, 137, 143, 192, 193, -9)] == [
        0,
        1,
        127,
        128,
        -9,
        -15,
        -64,
        193,
        -9,
    ]
