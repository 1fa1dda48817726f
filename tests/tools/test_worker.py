"""How workers are started."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from sandbox.base import Held
from sandbox.errors import SessionTimeout
from sandbox.fake import FakeSandbox
from tools.harness.wire import REQUEST, REQUEST_MAGIC, Record, Status, pack_record
from tools.launching import STEADY, Launcher
from tools.worker import PATIENCE, Worker, WorkerFailed

CHURN = """
import ctypes, resource
libc = ctypes.CDLL(None)
libc.prctl(41, 1, 0, 0, 0)  # no huge pages: a fault for each page
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
faults = []
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(*faults)
"""


def faults(env: dict[str, str]) -> list[int]:
    done = subprocess.run([sys.executable, "-c", CHURN], env=env, capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def test_memory_that_was_freed_is_there_again_without_page_faults():
    first, *later = faults(STEADY)
    assert first > 1000
    assert max(later) < first / 50
    assert min(faults({})) > 1000  # or else the test shows nothing


RESERVED = """
import ctypes, resource, sys
from tools.harness.reserve import Reserve
libc = ctypes.CDLL(None)
libc.prctl(41, 1, 0, 0, 0)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
reserve = Reserve()
for size in (8 << 20, 48 << 20, 16 << 20):
    reserve.grow(size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(size // 2)
    ctypes.memset(block, 1, size // 2)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    libc.free.argtypes = [ctypes.c_void_p]
    libc.free(block)
"""


def test_what_was_reserved_meets_no_page_faults_however_it_grew():
    env = {**STEADY, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", RESERVED], env=env, capture_output=True, text=True, check=True)
    assert max(int(word) for word in done.stdout.split()) < 50


def test_every_kind_of_worker_runs_in_the_same_environment():
    sandbox = FakeSandbox(answers=[lambda _: b""] * 2)
    launcher = Launcher(sandbox, threads=3, memory_bytes=1 << 30, timeout_s=1.0)
    launcher.start("reference", "eager")
    launcher.start("candidate", "candidate")
    one, other = (job.env for job in sandbox.jobs)
    assert one == other
    assert one.items() >= {**STEADY, "OMP_NUM_THREADS": "3"}.items()


class Answering:
    """A session that answers every request with the number that comes after the last one's."""

    def __init__(self):
        self.last = 0

    def send(self, data, timeout_s):
        self.asked = json.loads(bytes(data)[REQUEST.size :])["seq"]

    def receive_into(self, buffer, timeout_s):
        self.last, told = self.asked, self.last + 1
        buffer[:] = pack_record(Record(told, Status.OK))

    def stderr_tail(self):
        return b""

    def stop(self):
        pass


def test_an_answer_that_was_written_before_its_request_is_forged():
    worker = Worker(Answering(), "candidate", 1.0, trusted=True)
    with pytest.raises(WorkerFailed) as failure:  # counting up would let it pass: its first answer is number 1
        worker.ask("form")
    assert failure.value.reason == "cheat.forged_record"


class Sleepy(Answering):
    """Takes its time for every answer, by a clock that is moved by hand."""

    def __init__(self, clock, seconds):
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def send(self, data, timeout_s):
        if bytes(data[:4]) == bytes(REQUEST.pack(REQUEST_MAGIC, 0))[:4]:
            super().send(data, timeout_s)

    def receive_into(self, buffer, timeout_s):
        took = min(self.seconds, timeout_s)
        self.clock[0] += took
        if took < self.seconds:
            raise SessionTimeout("late")
        buffer[:] = pack_record(Record(self.asked, Status.OK))

    def watch(self):
        pass

    def hold(self):
        return Held(grown=False, main_at=0.0)

    def release(self, *, alone=False):
        pass

    def require_still(self):
        pass

    def stop(self):
        return SimpleNamespace(out_of_memory=False, exit_code=0)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_candidate_may_not_take_nearly_all_of_its_time_for_every_answer(monkeypatch, trusted):
    clock = [0.0]
    monkeypatch.setattr("tools.worker.time.monotonic", lambda: clock[0])
    worker = Worker(Sleepy(clock, 0.9), "candidate", 1.0, trusted=trusted)
    worker.greet({})
    worker.await_ready()
    if trusted:
        for _ in range(3 * PATIENCE):
            worker.ask("lay")
        return
    for _ in range(PATIENCE + 1):  # 11 times 0.9 s fit into 10 s
        worker.ask("lay")
    with pytest.raises(WorkerFailed, match="in all") as failure:
        worker.ask("lay")
    assert failure.value.reason == "timeout"
    assert clock[0] == pytest.approx(PATIENCE * 1.0 + 0.9)  # to be ready does not count
