"""The second half of the sandbox contract as tests: how jobs end, and how one talks to them."""

# ruff: noqa: D102 - the name of a test says what it tests

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from sandbox.base import Job, Limits, Sandbox, Session
from sandbox.conformance_probes import (
    BUSY,
    COUNTERS,
    DAEMON,
    ECHO,
    HELD,
    LONG_S,
    MIB,
    STEALTH,
    await_state,
    left_behind,
    open_descriptors,
    python,
    ran_ns,
    receive,
    survivors,
)
from sandbox.errors import HoldFailed, SessionEnded, SessionTimeout
from sandbox.holding import FORGIVEN_NS


class SessionContract:
    """Part of ``SandboxContract``; see there."""

    def not_promised(self, sandbox: Sandbox) -> dict[str, str]:
        """Promise to the reason why this implementation does not make it."""
        return {}

    def needs(self, sandbox: Sandbox, promise: str) -> None:
        """Skip the test unless the implementation makes ``promise``."""
        if reason := self.not_promised(sandbox).get(promise):
            pytest.skip(reason)

    # The end.

    @pytest.mark.parametrize("way", ["run", "stop"])
    def test_daemons_die_too(self, sandbox: Sandbox, way: str) -> None:
        self.needs(sandbox, "daemons")
        marker = f"{uuid.uuid4().int % 10**9 + 10**8}"
        job = Job((*sandbox.python, "-c", DAEMON, marker))
        if way == "run":
            assert sandbox.run(job).ok
        else:
            lasting = Job((*sandbox.python, "-c", f"{DAEMON}\nimport time; time.sleep(600)", marker))
            with sandbox.start(lasting) as session:
                receive(session, 5)
                assert survivors(marker)
        assert survivors(marker) == []

    def test_nothing_is_left_behind(self, sandbox: Sandbox) -> None:
        counts = []
        for _ in range(3):  # the first time opens what stays open: a connection, a thread that starts processes
            assert python(sandbox, "open('x', 'w').write('x')").ok
            assert sandbox.run(Job(("sleep", "600"), limits=Limits(wall_s=0.2))).timed_out
            with sandbox.start(Job(("cat",))) as session:
                session.send(b"x")
                receive(session, 1)
            counts.append((open_descriptors(), threading.active_count()))
        assert left_behind() == []
        assert counts[1] == counts[2]

    def test_closing_stops_what_runs(self, sandbox: Sandbox) -> None:
        session = sandbox.start(Job(("cat",)))
        sandbox.close()
        sandbox.close()
        with pytest.raises(SessionEnded):
            session.send(b"x")
        assert left_behind() == []

    def test_a_job_outlives_the_thread_that_started_it(self, sandbox: Sandbox) -> None:
        sessions: list[Session] = []
        starter = threading.Thread(target=lambda: sessions.append(sandbox.start(Job(("cat",)))))
        starter.start()
        starter.join()
        with sessions[0] as session:
            session.send(b"still here")
            assert receive(session, 10) == b"still here"

    def test_a_killed_controller_leaves_nothing(self, sandbox: Sandbox) -> None:
        marker = f"{uuid.uuid4().int % 10**9 + 10**8}"
        kind = type(sandbox)
        code = f"from {kind.__module__} import {kind.__name__} as S\nfrom sandbox.base import Job\n"
        code += f"session = S().start(Job(('sh', '-c', 'echo up; sleep {marker}; exit 1')))\n"
        code += "buffer = bytearray(3); session.receive_into(memoryview(buffer), 60); print('up', flush=True)\n"
        code += "import time; time.sleep(600)"
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env) as controller:
            assert controller.stdout is not None
            up = controller.stdout.readline()
            controller.kill()
        assert up == b"up\n"
        type(sandbox)().close()  # where the kernel does not do it, the next controller does
        assert survivors(marker, patience_s=10) == []

    # Sessions.

    def test_large_payloads_both_ways(self, sandbox: Sandbox) -> None:
        data = os.urandom(64 * MIB)
        back = bytearray(len(data))
        with sandbox.start(Job((*sandbox.python, "-c", ECHO))) as session:
            session.send(len(data).to_bytes(8, "little"))
            session.send(memoryview(data))
            session.receive_into(memoryview(back), LONG_S)
        assert hashlib.sha256(back).digest() == hashlib.sha256(data).digest()

    def test_many_small_exchanges(self, sandbox: Sandbox) -> None:
        with sandbox.start(Job(("cat",))) as session:
            for number in range(200):
                session.send(b"%07d\n" % number)
                assert receive(session, 8) == b"%07d\n" % number

    def test_silence_is_a_timeout_and_the_job_goes_on(self, sandbox: Sandbox) -> None:
        with sandbox.start(Job(("cat",))) as session:
            with pytest.raises(SessionTimeout):
                session.receive_into(memoryview(bytearray(1)), 0.05)
            session.send(b"x")
            assert receive(session, 1) == b"x"

    def test_a_job_that_ends_is_told(self, sandbox: Sandbox) -> None:
        with sandbox.start(Job(("sh", "-c", "echo last words; echo reason >&2; exit 3"))) as session:
            assert receive(session, 11) == b"last words\n"
            with pytest.raises(SessionEnded):
                receive(session, 1)
            with pytest.raises(SessionEnded):
                session.send(bytes(4 * MIB))
            done = session.stop()
            assert session.stop() == done
        assert (done.exit_code, done.stdout, done.stderr) == (3, b"", b"reason\n")
        assert session.stderr_tail() == b"reason\n"
        with pytest.raises(SessionEnded):
            session.send(b"x")
        with pytest.raises(SessionEnded):
            receive(session, 1)

    def test_a_job_that_closes_its_output_is_ended(self, sandbox: Sandbox) -> None:
        with sandbox.start(Job(("sh", "-c", "exec >&-; sleep 600"))) as session:
            with pytest.raises(SessionEnded):
                receive(session, 1)
            assert session.stop().exit_code == -9

    def test_wall_time_of_a_session(self, sandbox: Sandbox) -> None:
        deaf = Job(("sh", "-c", "exec sleep 600"), limits=Limits(wall_s=1))
        with sandbox.start(deaf) as session, pytest.raises(SessionEnded):
            session.send(bytes(16 * MIB))
        assert session.stop().timed_out
        with sandbox.start(deaf) as session, pytest.raises(SessionEnded):
            receive(session, 1)
        assert session.stop().timed_out

    def test_standard_error_is_drained_and_its_newest_kept(self, sandbox: Sandbox) -> None:
        code = "import os\nfor _ in range(64): os.write(2, bytes(1 << 20))\nos.write(2, b'the end'); os.write(1, b'!')"
        code += "\nos.read(0, 1)"
        job = Job((*sandbox.python, "-c", code), limits=Limits(output_bytes=1000))
        with sandbox.start(job) as session:
            assert receive(session, 1) == b"!"
            done = session.stop()
        assert len(done.stderr) == 1000
        assert done.stderr.endswith(b"\0the end")
        assert done.truncated

    def test_two_jobs_at_once(self, sandbox: Sandbox) -> None:
        with sandbox.start(Job(("cat",))) as first, sandbox.start(Job(("cat",))) as second:
            second.send(b"second")
            first.send(b"first!")
            assert (receive(first, 6), receive(second, 6)) == (b"first!", b"second")
            assert python(sandbox, "print('third')").stdout == b"third\n"
            first.stop()
            second.send(b"alive")
            assert receive(second, 5) == b"alive"

    def test_stopping_from_another_thread(self, sandbox: Sandbox) -> None:
        session = sandbox.start(Job(("cat",)))
        stopper = threading.Timer(0.2, session.stop)
        stopper.start()
        with pytest.raises(SessionEnded):
            receive(session, 1)
        stopper.join()

    # Holding.

    def test_a_held_job_computes_nothing(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "orphans held")
        with sandbox.start(Job((*sandbox.python, "-c", HELD))) as session:
            address = int.from_bytes(receive(session, 8), "little")
            session.watch()
            session.send(b"1")  # now it starts threads and processes that count
            assert receive(session, 1) == b"!"
            for _ in range(20):
                session.hold()
                first, second = bytearray(8 * COUNTERS), bytearray(8 * COUNTERS)
                session.read_memory(address, memoryview(first))
                os.sched_yield()
                sum(range(200_000))
                session.read_memory(address, memoryview(second))
                assert first == second
                session.release()
            counts = memoryview(second).cast("Q")
            assert all(counts), "some of what should count never ran"
            session.send(b"2")
            assert receive(session, 1) == b"!", "it does not go on after it was held"

    def test_a_child_that_is_continued_by_stealth_is_told(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "orphans held")
        with sandbox.start(Job((*sandbox.python, "-c", STEALTH))) as session:
            receive(session, 1)
            session.watch()
            session.send(b"1")
            receive(session, 1)  # now it has a child
            assert session.hold().grown is True
            session.release(alone=True)
            session.send(b"2")
            receive(session, 1)  # nothing new: the child is still stopped
            assert session.hold().grown is False
            session.release(alone=True)
            session.send(b"3")
            receive(session, 1)  # the child goes on
            assert session.hold().grown is True

    def test_a_held_job_that_somebody_continues_is_told(self, sandbox: Sandbox) -> None:
        self.needs(sandbox, "orphans held")
        marker = f"{uuid.uuid4().int % 10**9 + 10**8}"
        with sandbox.start(Job((*sandbox.python, "-c", BUSY, marker))) as session:
            session.watch()
            session.send(b"1")
            assert receive(session, 1) == b"!"
            while not (found := survivors(marker)):  # it may not have become what it will be
                os.sched_yield()
            (child,) = found
            session.require_still()  # nobody holds it: nothing is asked of it
            session.hold()
            session.require_still()
            before = ran_ns(child)
            os.kill(int(child), signal.SIGCONT)
            await_state(child, "R")
            with pytest.raises(HoldFailed, match="ran although"):
                session.require_still()
            while ran_ns(child) < before + 2 * FORGIVEN_NS:
                os.sched_yield()
            os.kill(int(child), signal.SIGSTOP)  # as one would that hides it
            await_state(child, "T")
            with pytest.raises(HoldFailed, match="ran although"):
                session.require_still()

    def test_a_held_job_can_be_stopped(self, sandbox: Sandbox) -> None:
        with sandbox.start(Job(("sh", "-c", "echo x; exec sleep 600"))) as session:
            receive(session, 2)
            session.watch()
            session.hold()
            assert session.stop().exit_code == -9
        with pytest.raises(SessionEnded):
            session.hold()

    def test_memory_that_is_not_the_jobs_is_refused(self, sandbox: Sandbox) -> None:
        with sandbox.start(Job(("sh", "-c", "echo x; exec sleep 600"))) as session:
            receive(session, 2)
            session.watch()
            session.hold()
            for address in (0, 2**63, 2**64 - 8):
                with pytest.raises(HoldFailed):
                    session.read_memory(address, memoryview(bytearray(8)))

    def test_holding_needs_watching(self, sandbox: Sandbox) -> None:
        with sandbox.start(Job(("cat",))) as session, pytest.raises(HoldFailed):
            session.hold()

    def test_enforcement_is_told(self, sandbox: Sandbox) -> None:
        told = sandbox.enforcement()
        assert set(told) == {"network", "files", "memory", "processes", "wall", "output", "scratch", "cleanup"}
        if sandbox.isolation.is_boundary:
            assert "not enforced" not in told.values()
