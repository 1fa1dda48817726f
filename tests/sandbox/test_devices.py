"""Leases of devices, and handing descriptors to jobs."""

import os
import threading

import pytest

from sandbox.base import Job
from sandbox.devices import Device, Lease, device_of, host_device
from sandbox.errors import SandboxError, SandboxUnavailable
from sandbox.handing import Door
from sandbox.opening import open_sandbox
from sandbox.target import Target, usual_language

FETCH = """
import os, socket, sys
door = socket.socket(socket.AF_UNIX)
door.connect(sys.argv[1])
_, (descriptor,), _, _ = socket.recv_fds(door, 16, 1)
os.write(1, os.pread(descriptor, 100, 0))
"""


def test_a_device_is_held_by_one_at_a_time():
    first, second = (Lease(host_device(name=f"test-{os.getpid()}")) for _ in range(2))
    first.take()
    first.take()
    waiting = threading.Thread(target=second.take)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    first.give_back()
    first.give_back()
    waiting.join(20)
    assert not waiting.is_alive()
    second.give_back()


def test_nothing_is_leased_without_a_device():
    lease = Lease(None)
    lease.take()
    lease.give_back()


def test_a_job_is_handed_an_open_file_once(tmp_path):
    file = tmp_path / "secret"
    file.write_text("for you")
    descriptor = os.open(file, os.O_RDONLY)
    sandbox, door = open_sandbox(None), Door()
    try:
        path = sandbox.path_inside(door.mount)
        with sandbox.start(Job((*sandbox.python, "-c", FETCH, path), mounts=(door.mount,))) as session:
            door.hand_over([descriptor])
            told = bytearray(7)
            session.receive_into(memoryview(told), 20)
        assert bytes(told) == b"for you"
        assert not door.mount.source.exists()
    finally:
        os.close(descriptor)
        door.close()
        sandbox.close()


def test_a_job_that_does_not_come_is_not_waited_for_for_ever(monkeypatch):
    monkeypatch.setattr("sandbox.handing.PATIENCE_S", 0.01)
    with pytest.raises(SandboxError, match="did not fetch"):
        Door().hand_over([0])


def test_what_is_no_device_is_not_shown_to_a_job(tmp_path):
    sandbox = open_sandbox(None)
    try:
        with pytest.raises(SandboxError, match="is no device"):
            sandbox.run(Job(("true",), devices=(str(tmp_path),)))
    finally:
        sandbox.close()


def test_a_descriptor_of_a_job_can_be_taken(tmp_path):
    sandbox = open_sandbox(None)
    program = (
        "import os, sys; f = os.memfd_create('x'); os.write(f, b'mine'); os.write(1, bytes([f])); sys.stdin.read()"
    )
    try:
        with sandbox.start(Job((*sandbox.python, "-c", program))) as session:
            number = bytearray(1)
            session.receive_into(memoryview(number), 20)
            session.watch()
            mine = session.take_descriptor(number[0])
            assert os.pread(mine, 10, 0) == b"mine"
            os.close(mine)
    finally:
        sandbox.close()


def test_the_gpu_that_is_there_is_named_where_another_is_asked_for(monkeypatch):
    here = Device("cuda", "NVIDIA H200", "sm90")
    monkeypatch.setattr("sandbox.devices.find_devices", lambda: (here,))
    assert device_of(Target.parse("cuda:sm90")) is here
    assert device_of(Target.parse("cpu")) is None
    with pytest.raises(SandboxUnavailable, match="no sm80 GPU on this machine: it has NVIDIA H200"):
        device_of(Target.parse("cuda:sm80"))


def test_each_target_has_a_usual_language():
    assert usual_language(Target.parse("cpu")) == "cpp"
    assert usual_language(Target.parse("cuda:sm90")) == "triton"
