from __future__ import annotations

import pytest

from sandbox.base import Execution, Job
from sandbox.errors import SandboxError, SessionEnded
from sandbox.fake import FakeSandbox

DONE = Execution(exit_code=0, stdout=b"out", stderr=b"", wall_s=0.1)


def test_it_replays_in_order_and_records_what_was_asked() -> None:
    sandbox = FakeSandbox([DONE, SandboxError("broken")])
    assert sandbox.run(Job(("first",)), b"input") == DONE
    with pytest.raises(SandboxError, match="broken"):
        sandbox.run(Job(("second",)))
    assert [job.argv for job in sandbox.jobs] == [("first",), ("second",)]
    assert sandbox.inputs == [b"input", b""]
    sandbox.close()


def test_an_unscripted_job_is_an_error() -> None:
    with pytest.raises(SandboxError, match="no reply"):
        FakeSandbox().run(Job(("x",)))
    with pytest.raises(SandboxError, match="no session"):
        FakeSandbox([DONE]).start(Job(("x",)))


def test_a_reply_that_was_never_asked_for_is_an_error() -> None:
    sandbox = FakeSandbox([DONE])
    with pytest.raises(SandboxError, match="1 scripted"):
        sandbox.close()
    sandbox.close()


def test_a_session_answers_and_ends() -> None:
    sandbox = FakeSandbox(answers=[bytes.upper])
    with sandbox.start(Job(("x",))) as session:
        session.send(b"hello")
        buffer = bytearray(5)
        session.receive_into(memoryview(buffer), 1)
        assert buffer == b"HELLO"
        with pytest.raises(SessionEnded):
            session.receive_into(memoryview(buffer), 1)
    assert session.stop().exit_code == -9
    with pytest.raises(SessionEnded):
        session.send(b"x")
