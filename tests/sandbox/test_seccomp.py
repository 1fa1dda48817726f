"""The filter, run by a small interpreter of its own instruction set, for both machines it knows."""

from __future__ import annotations

import errno
import struct

import pytest

from sandbox import seccomp

ALLOW = 0x7FFF0000
MACHINES = ["x86_64", "aarch64"]
ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    data = struct.pack(
        "=iIQ6Q", number, architecture or ARCHITECTURE[machine], 0, *arguments, *[0] * (6 - len(arguments))
    )
    program = seccomp._instructions(machine, MACHINES.index(machine))
    accumulator = at = 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif code == 0x54:
            accumulator &= value
        elif code == 0x06:
            return value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            at += if_true if holds else if_false


def refused(error: int) -> int:
    return 0x00050000 | error


@pytest.mark.parametrize("machine", MACHINES)
def test_denied_calls_fail_and_others_pass(machine: str) -> None:
    column = MACHINES.index(machine)
    denied = {numbers[column] for numbers in seccomp._DENIED.values()}
    special = {seccomp._CLONE3[column], seccomp._SOCKET[column]}
    for number in range(470):
        expected = refused(errno.EPERM) if number in denied else ALLOW
        if number not in special:
            assert verdict(machine, number) == expected, number
    assert verdict(machine, seccomp._CLONE3[column]) == refused(errno.ENOSYS)


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_and_forks_pass_but_namespaces_do_not(machine: str) -> None:
    clone = seccomp._CLONE[MACHINES.index(machine)]
    thread, fork, new_user, new_mount = 0x3D0F00, 0x1200011, 0x10000011, 0x20011
    assert [verdict(machine, clone, flags) for flags in (thread, fork)] == [ALLOW, ALLOW]
    assert {verdict(machine, clone, flags) for flags in (new_user, new_mount)} == {refused(errno.EPERM)}


@pytest.mark.parametrize("machine", MACHINES)
def test_only_sockets_between_processes(machine: str) -> None:
    socket = seccomp._SOCKET[MACHINES.index(machine)]
    allowed = [family for family in range(46) if verdict(machine, socket, family) == ALLOW]
    assert allowed == [1]
    assert verdict(machine, socket, 40) == refused(errno.EAFNOSUPPORT)


@pytest.mark.parametrize("machine", MACHINES)
def test_no_filters_of_its_own(machine: str) -> None:
    prctl = seccomp._PRCTL[MACHINES.index(machine)]
    name_thread, set_filter = 15, 22
    assert verdict(machine, prctl, name_thread) == ALLOW
    assert verdict(machine, prctl, set_filter) == refused(errno.EPERM)
    assert "seccomp" in seccomp._DENIED


@pytest.mark.parametrize("machine", MACHINES)
def test_nobody_orders_a_signal_that_continues_what_is_stopped(machine: str) -> None:
    column = MACHINES.index(machine)
    clone, prctl, fcntl = (item[column] for item in (seccomp._CLONE, seccomp._PRCTL, seccomp._FCNTL))
    parents_death, interrupt, go_on = 1, 2, 18
    assert verdict(machine, clone, go_on) == verdict(machine, clone, 0x100 | go_on) == refused(errno.EPERM)
    assert verdict(machine, clone, 17) == ALLOW
    assert verdict(machine, prctl, parents_death, interrupt) == ALLOW
    assert verdict(machine, prctl, parents_death, go_on) == refused(errno.EPERM)
    set_owner, set_signal = 8, 10
    assert verdict(machine, fcntl, 3, set_owner) == ALLOW
    assert verdict(machine, fcntl, 3, set_signal, go_on) == refused(errno.EPERM)
    timers = {"timer_create", "timerfd_create"}
    assert timers | {"mq_notify", "sendmsg", "sendmmsg"} <= set(seccomp._DENIED)
    ioctl, window_size, unlock, take = seccomp._IOCTL[column], 0x5413, 0x40045431, 0x540E
    assert verdict(machine, ioctl, 3, window_size) == ALLOW
    assert {verdict(machine, ioctl, 3, request) for request in (unlock, take)} == {refused(errno.EPERM)}


@pytest.mark.parametrize("machine", MACHINES)
def test_large_pages_may_be_asked_for_but_not_forced_onto_shared_memory(machine: str) -> None:
    madvise, large_pages, collapse = seccomp._MADVISE[MACHINES.index(machine)], 14, 25
    assert verdict(machine, madvise, 4096, 4096, large_pages) == ALLOW
    assert verdict(machine, madvise, 4096, 4096, collapse) == refused(errno.EINVAL)
    assert "process_madvise" in seccomp._DENIED


@pytest.mark.parametrize("machine", MACHINES)
def test_foreign_call_tables_are_refused(machine: str) -> None:
    assert verdict(machine, 1, architecture=0x40000003) == refused(errno.ENOSYS)
    assert verdict("x86_64", 0x40000001) == refused(errno.ENOSYS)


def test_an_unknown_machine_has_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp.platform, "machine", lambda: "riscv64")
    assert seccomp.filter_program.__wrapped__() is None
