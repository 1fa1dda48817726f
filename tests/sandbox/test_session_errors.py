"""What a job wrote to standard error before it answered is there when it is asked for, whoever had a turn meanwhile."""

from sandbox.base import Job
from sandbox.process import ProcessSandbox
from sandbox.session import PipeSession

PROGRAM = """
import sys
sys.stderr.write("why it failed")
sys.stderr.flush()
sys.stdout.write("no")
sys.stdout.flush()
sys.stdin.read()
"""


def test_it_does_not_wait_for_the_thread_that_reads_it(monkeypatch):
    monkeypatch.setattr(PipeSession, "_look_after", lambda self: None)
    sandbox = ProcessSandbox()
    with sandbox.start(Job((*sandbox.python, "-c", PROGRAM))) as session:
        answer = bytearray(2)
        session.receive_into(memoryview(answer), 30.0)
        assert (bytes(answer), session.stderr_tail()) == (b"no", b"why it failed")
    assert session.stderr_tail() == b"why it failed"
