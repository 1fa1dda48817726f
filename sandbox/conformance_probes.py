"""What the conformance tests run inside a sandbox, and how they look for what a job left on the host."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from sandbox.base import Execution, Job, Limits, Mount, Sandbox, Session
from sandbox.ownership import owner_tag

MIB = 1 << 20
LONG_S = 60.0

HASH = """
import hashlib, sys
data = sys.stdin.buffer.read()
print(len(data), hashlib.sha256(data).hexdigest())
"""

ECHO = """
import os
def read(count):
    view = memoryview(bytearray(count))
    filled = 0
    while filled < count:
        filled += os.readv(0, [view[filled:]])
    return view
data = read(int.from_bytes(read(8), "little"))
sent = 0
while sent < len(data):
    sent += os.write(1, data[sent:])
"""

COUNTERS = 4
HELD = """
import ctypes, mmap, os, threading, time
shared = mmap.mmap(-1, 4096)
counts = (ctypes.c_uint64 * 4).from_buffer(shared)
def count(place):
    while True:
        counts[place] += 1
os.write(1, ctypes.addressof(counts).to_bytes(8, "little"))
os.read(0, 1)
threading.Thread(target=count, args=(0,), daemon=True).start()
if os.fork() == 0:  # a child of the main process
    count(1)
if os.fork() == 0:  # an orphan
    os.setsid()
    if os.fork() == 0:
        count(2)
    os._exit(0)
def fork_from_thread():
    if os.fork() == 0:
        count(3)
thread = threading.Thread(target=fork_from_thread)
thread.start()
thread.join()
while not all(counts):
    time.sleep(0.001)
os.write(1, b"!")
os.read(0, 1)
os.write(1, b"!")
os.kill(0, 15)
"""

BUSY = """
import os, sys
os.read(0, 1)
if os.fork() == 0:
    os.execv("/bin/sh", ["sleep", "-c", "while :; do :; done", sys.argv[1]])
os.write(1, b"!")
os.read(0, 1)
"""

STEALTH = """
import os, signal, time
os.write(1, b"!")
os.read(0, 1)
child = os.fork()
if child == 0:
    while True:
        pass
os.write(1, b"!")
os.read(0, 1)
os.write(1, b"!")
os.read(0, 1)
os.kill(child, signal.SIGCONT)
os.write(1, b"!")
os.read(0, 1)
"""

CONNECT = """
import json, socket, sys
port, name = int(sys.argv[1]), sys.argv[2]
reached = []
for family, address in (
    (socket.AF_INET, ("127.0.0.1", port)),
    (socket.AF_INET, ("192.0.2.1", 80)),
    (socket.AF_INET6, ("2001:db8::1", 80)),
    (socket.AF_UNIX, "\\0" + name),
    (socket.AF_UNIX, "/var/run/docker.sock"),
):
    try:
        with socket.socket(family) as connection:
            connection.settimeout(2)
            connection.connect(address)
        reached.append(str(address))
    except OSError:
        pass
for family in (40, 38, 17, 31):  # hypervisor, kernel crypto, raw packets, Bluetooth: no namespace contains these
    try:
        socket.socket(family, socket.SOCK_SEQPACKET if family == 38 else socket.SOCK_STREAM).close()
        reached.append(f"family {family}")
    except OSError:
        pass
with open("/proc/net/dev") as lines:
    names = [line.partition(":")[0].strip() for line in lines if ":" in line]
reached += [name for name in names if name not in ("lo", "sit0", "tunl0", "ip6tnl0")]
print(json.dumps(reached))
"""

WRITABLE = """
import json, os
places = set()
def probe(folder):
    try:
        with open(folder + "/probe", "x"):
            os.unlink(folder + "/probe")
            places.add(folder)
    except OSError:
        pass
for line in open("/proc/self/mounts"):
    probe(line.split()[1])
for folder, below, _ in os.walk("/"):
    probe(folder)
    if folder.count("/") > 3:
        below.clear()
print(json.dumps(sorted(places)))
"""

PROCESSES = """
import json, os, sys
numbers = [name for name in os.listdir("/proc") if name.isdigit()]
environments = ""
for name in numbers:
    try:
        environments += open(f"/proc/{name}/environ").read()
    except OSError:
        pass
try:
    os.kill(int(sys.argv[1]), 0)
    reaches = True
except OSError:
    reaches = False
print(json.dumps({"count": len(numbers), "environments": environments, "reaches_controller": reaches}))
"""

SPREAD = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        block = bytearray(60 << 20)
        time.sleep(600)
for _ in range(50):
    time.sleep(0.1)
    ended, status = os.waitpid(-1, os.WNOHANG)
    if ended:
        os.kill(os.getpid(), 9)
print("all alive")
"""

FORKS = """
import os, time
alive = 0
for _ in range(200):
    try:
        if os.fork() == 0:
            time.sleep(600)
    except OSError:
        break
    alive += 1
print(alive, flush=True)
os._exit(0)
"""

DAEMON = """
import os, sys
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", sys.argv[1]])
    os._exit(0)
os.close(write)
os.read(read, 1)  # ends when the daemon has become sleep
os.write(1, b"ready")
"""


def python(
    sandbox: Sandbox,
    code: str,
    *argv: str,
    data: bytes = b"",
    limits: Limits | None = None,
    mounts: tuple[Mount, ...] = (),
) -> Execution:
    """Run a Python script to its end."""
    job = Job((*sandbox.python, "-c", code, *argv), mounts=mounts, limits=limits or Limits(wall_s=LONG_S))
    return sandbox.run(job, data)


def receive(session: Session, count: int) -> bytes:
    """The next ``count`` bytes."""
    buffer = bytearray(count)
    session.receive_into(memoryview(buffer), LONG_S)
    return bytes(buffer)


def survivors(marker: str, patience_s: float = 0.0) -> list[str]:
    """Processes of the whole host that carry ``marker`` as an argument, after at most ``patience_s``."""
    deadline = time.monotonic() + patience_s
    while (found := _carrying(marker.encode())) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def _carrying(marker: bytes) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if arguments[:1] == [b"sleep"] and marker in arguments:
                found.append(entry.name)
    return found


def await_state(pid: str, letter: str) -> None:
    """Wait until a process of the host is in this state."""
    deadline = time.monotonic() + LONG_S
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != letter:
        assert time.monotonic() < deadline, f"process {pid} never came into state {letter}"
        time.sleep(0.001)


def ran_ns(pid: str) -> int:
    """How long a process of the host has been on a processor."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def open_descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def left_behind() -> list[str]:
    """Temporary folders and control groups on the host that carry this process's name."""
    places = [Path(tempfile.gettempdir()), *Path("/sys/fs/cgroup").glob("*/"), Path("/sys/fs/cgroup")]
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        places.append(Path("/sys/fs/cgroup", controllers, path.lstrip("/")))
    tag = owner_tag()
    return sorted({str(made) for place in places if place.is_dir() for made in place.glob(f"*{tag}*")})
