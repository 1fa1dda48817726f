"""Holding a job still: every process of it stopped, so that it computes nothing, and its memory can be read in peace.

Stopping is by SIGSTOP, which no process can catch or block. The kernel itself may send SIGCONT on behalf of a stopped
process, for a timer or a descriptor's owner; so how often each thread has come onto a processor is noted when all is
still, and has to be the same when the job is let go. It works the same under every isolation and needs no control
group: a controller may signal and read what it started, because it is root or because the job runs as the
controller's own user.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sandbox.base import Held
from sandbox.errors import HoldFailed

_PATIENCE_S = 10.0
_NAP_S = 50e-6
_LIBC = ctypes.CDLL(None)
_TGKILL = {"x86_64": 234, "aarch64": 131}.get(platform.machine())
_PIDFD_GETFD = 438
"""The same number on every architecture."""
_STUCK_S = 0.25
"""A thread that waits in the kernel this long (state D: a vfork, a disk) runs no code of its own, stopped or not."""

_QUIET = frozenset("TtZX")
"""Thread states in which nothing runs: stopped, traced, dead."""
FORGIVEN_NS = 1_000_000
"""Time on a processor that a job may have had in its life while it was stopped: a thread counts as stopped a few
instructions before it leaves, and one that the kernel kept waiting leaves only then.
"""


class Seen(NamedTuple):
    """A thread's history on processors; none of it ever falls while the thread lives."""

    run_ns: int
    arrivals: int


Arrivals = dict[tuple[int, str], Seen]
"""By process and thread."""


class Holder:
    """Stops and continues all processes of one job, and reads the memory of its main one."""

    def __init__(self, root: int) -> None:
        """``root``: a process outside of the job whose only descendants are the job's. Made while the job is a single
        process that runs trusted code; raises HoldFailed otherwise, or where the controller lacks the permission.
        """
        if not Path(f"/proc/self/task/{threading.get_native_id()}/children").exists():
            raise HoldFailed("this kernel does not tell which processes a process has (CONFIG_PROC_CHILDREN)")
        if not any(seen.arrivals for seen in _arrivals({os.getpid()}).values()):
            raise HoldFailed("this kernel does not tell how often a thread ran (CONFIG_SCHED_INFO)")
        self._chain = _chain(root)
        self._main = self._chain[-1]
        self._lock = threading.Lock()
        self._stopped: set[int] = set()
        self._known = {self._main}
        self._arrivals: Arrivals = {}
        """Of all that is held, as it was when all was still."""
        self._resting: Arrivals = {}
        """Of those that were not released with the main process."""
        self._forgiven_ns = 0
        try:
            os.kill(self._main, 0)
            self._memory = os.open(f"/proc/{self._main}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise HoldFailed(f"a job cannot be stopped and read by this user ({error.strerror})") from error

    def hold(self) -> Held:
        """Stop everything and return once nothing runs.

        The main process is stopped at once; whoever else runs goes on until it is found. Raises HoldFailed.
        """
        deadline = time.monotonic() + _PATIENCE_S
        grown = False
        with self._lock:
            others = self._stopped - {self._main}
            self._stop(self._main)
            for pid in others:  # one that was left stopped may have been continued by the main process
                self._stop(pid)
            self._await_quiet({self._main}, deadline)
            members = self._members()
            # Not before: a process that worked for the main one could be gone before it was looked for.
            main_at = time.perf_counter()
            while True:
                # First everybody, then wait: a process that is being waited for may have a child that works.
                while missed := members - self._stopped:
                    grown = grown or not missed <= self._known
                    for pid in missed:
                        self._stop(pid)
                    members = self._members()
                stuck = self._await_quiet(self._stopped, deadline)
                # A look takes time, and two processes may continue each other behind it. Nobody ran between two looks
                # with the same counts, so what was seen between them was so all the time.
                before = _arrivals(self._stopped)
                members = self._members()
                self._stopped &= members  # the numbers of the dead may be given to others
                states = _states_of(self._stopped)
                if members <= self._stopped and states <= _QUIET | stuck and _arrivals(self._stopped) == before:
                    break
                if time.monotonic() > deadline:
                    raise HoldFailed("the job starts processes faster than they can be stopped")
                for pid in self._stopped:
                    self._stop(pid)
            grown = grown or any(before.get(key) != count for key, count in self._resting.items())
            self._known, self._arrivals, self._resting = set(members), before, {}
            return Held(grown, main_at, self._looking_s(deadline))

    def _looking_s(self, deadline: float) -> float:
        """What stopping and looking take where there is nothing to stop: the more threads, the longer."""
        began = time.perf_counter()
        self._stop(self._main)
        self._await_quiet({self._main}, deadline)
        self._members()
        return time.perf_counter() - began

    def require_still(self) -> None:
        """Raises HoldFailed if anything ran since it was held, or runs."""
        with self._lock:
            if not self._arrivals:
                return
            members = self._members()
            now = _arrivals(members)
            same = now.keys() == self._arrivals.keys() and members == self._stopped
            # Time alone is no sign: it is added up when a thread leaves, which may be after it was seen stopped.
            pairs = [(seen, self._arrivals[key]) for key, seen in now.items() if key in self._arrivals]
            moved = [(seen, before) for seen, before in pairs if seen.arrivals != before.arrivals]
            ran_ns = sum(seen.run_ns - before.run_ns for seen, before in moved)
            still = same and _states_of(members) <= _QUIET | {"D"}
            if not still or self._forgiven_ns + ran_ns > FORGIVEN_NS:
                what = f"{len(moved)} of its threads" if moved else "some of its threads"
                raise HoldFailed(f"{what} ran although they were stopped")
            self._forgiven_ns += ran_ns
            self._arrivals = now

    def release(self, *, alone: bool = False) -> None:
        """Let everything go on, or the main process ``alone``."""
        with self._lock:
            kept = self._arrivals if alone else {}
            self._resting = {key: seen for key, seen in kept.items() if key[0] != self._main}
            self._arrivals = {}
            others = sorted(self._stopped - {self._main})
            if not alone:
                self._stopped.clear()
                for pid in others:
                    _signal(pid, signal.SIGCONT)
            self._stopped.discard(self._main)
            _signal(self._main, signal.SIGCONT)

    def read_into(self, address: int, buffer: memoryview) -> None:
        """Copy memory of the main process. Raises HoldFailed for what is not mapped there, or if it is gone."""
        view = buffer.cast("B")
        done = 0
        with self._lock:
            while done < len(view):
                try:
                    count = os.preadv(self._memory, [view[done:]], address + done)
                except (OSError, OverflowError) as error:
                    raise HoldFailed("the memory named is not the job's") from error
                if count == 0:
                    raise HoldFailed("the job's main process is gone, or has become another program")
                done += count

    def take_descriptor(self, number: int) -> int:
        """A copy of one of the main process's open descriptors. Raises HoldFailed."""
        with self._lock:
            try:
                process = os.pidfd_open(self._main)
            except OSError as error:
                raise HoldFailed(f"the job's main process is gone: {error.strerror}") from error
            try:
                found = int(_LIBC.syscall(_PIDFD_GETFD, process, number, 0))
            finally:
                os.close(process)
            if found < 0:
                raise HoldFailed(f"descriptor {number} of the job cannot be taken (pidfd_getfd, Linux 5.6)")
            return found  # it is closed on exec, as the kernel makes it

    def close(self) -> None:
        """Give the descriptor back; idempotent."""
        with self._lock:
            memory, self._memory = self._memory, -1
        if memory >= 0:
            os.close(memory)

    def _stop(self, pid: int) -> None:
        self._stopped.add(pid)
        # At once, before anything is listed: how long a list is, the job decides.
        _signal(pid, signal.SIGSTOP)
        # That signal went to one thread, which may be deep in the kernel while others run on.
        for thread in _threads(pid):
            _signal_thread(pid, int(thread))

    def _await_quiet(self, pids: set[int], deadline: float) -> set[str]:
        """Wait until none of them runs; the states, besides those of ``_QUIET``, in which some are."""
        began = time.monotonic()
        while True:
            states = _states_of(pids)
            now = time.monotonic()
            if states <= _QUIET or (states <= _QUIET | {"D"} and now - began > _STUCK_S):
                return states - _QUIET
            if now > deadline:
                raise HoldFailed("the job's processes did not stop")
            time.sleep(_NAP_S)  # they may need this very core to notice

    def _members(self) -> set[int]:
        """All of the job's processes: what descends from the chain, without what was there before it."""
        found: set[int] = set()
        waiting = list(self._chain)
        while waiting:
            for child in _children(waiting.pop()):
                if child not in found:
                    found.add(child)
                    waiting.append(child)
        return (found | {self._main}) - set(self._chain[:-1])


def _chain(root: int) -> list[int]:
    """From ``root`` down, each the only child of the one before."""
    chain = [root]
    while children := _children(chain[-1]):
        if len(children) > 1:
            raise HoldFailed("the job has more than one process already")
        chain += children
    return chain


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in _threads(pid):
        with suppress(OSError):
            found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names are wanted
    except OSError:
        return []


def _states(pid: int) -> list[str]:
    """One letter a thread; none for a process that is gone."""
    states = []
    for thread in _threads(pid):
        with suppress(OSError, IndexError):
            # The name, in parentheses, may hold anything.
            text = _read(f"/proc/{pid}/task/{thread}/stat")
            states.append(text.rpartition(b")")[2].split(None, 1)[0].decode())
    return states


def _arrivals(pids: set[int]) -> Arrivals:
    found: Arrivals = {}
    for pid in pids:
        for thread in _threads(pid):
            with suppress(OSError, IndexError, ValueError):
                run_ns, _, arrivals = _read(f"/proc/{pid}/task/{thread}/schedstat").split()
                found[pid, thread] = Seen(int(run_ns), int(arrivals))
    return found


def _read(path: str) -> bytes:
    """All of a small file, with no more system calls than that takes: clocks run meanwhile."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = piece = os.read(file, 1 << 14)
        while len(piece) == 1 << 14:
            piece = os.read(file, 1 << 14)
            text += piece
        return text
    finally:
        os.close(file)


def _states_of(pids: set[int]) -> set[str]:
    return {state for pid in pids for state in _states(pid)}


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(OSError):  # gone, or somebody else's by now
        os.kill(pid, number)


def _signal_thread(pid: int, thread: int) -> None:
    """Stop this one at once, if it runs."""
    if _TGKILL is not None:
        _LIBC.syscall(_TGKILL, pid, thread, int(signal.SIGSTOP))
