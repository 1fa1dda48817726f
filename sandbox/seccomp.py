"""A system-call filter, on top of what bubblewrap or Docker do: the kernel's large and rarely needed doors, closed.

Namespaces already take away the network, the files and the other processes; what remains to attack is the kernel
itself. A kernel writer needs none of these calls, so each fails with EPERM: new namespaces (which would
give back capabilities), mounts, tracing, BPF, performance counters, keyrings, io_uring, and sockets that no
network namespace contains (AF_VSOCK reaches the hypervisor).

A job that is held must stay so, and the kernel must not go on working for it: also closed are the ways to have a
signal of one's choice sent later (POSIX timers, message queues, F_SETSIG, a parent's death, clone, a terminal that
hangs up), asynchronous input and output, and all sockets but those between processes (a paced TCP stream goes on by
itself).
"""

from __future__ import annotations

import errno
import itertools
import platform
import struct
from functools import cache

APPLY = """
import base64, ctypes, os, signal, sys
program = base64.b64decode(sys.argv[1])
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]
prctl = ctypes.CDLL(None, use_errno=True).prctl
if prctl(38, 1, 0, 0, 0) or prctl(22, 2, ctypes.byref(Program(len(program) // 8, program)), 0, 0):
    sys.exit(f"cannot filter system calls: {os.strerror(ctypes.get_errno())}")
for ignored in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(ignored, signal.SIG_DFL)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""A Python script that puts the filter, given in base 64, over itself and becomes the command that follows."""

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN, _AND = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
"""Classic BPF: load a word, compare with a constant (==, >=, &), return, mask."""

_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT, _AT_SECOND_ARGUMENT, _AT_THIRD_ARGUMENT = 0, 4, 16, 24, 32
_NEW_NAMESPACES = 0x7E020000
_FAMILIES = (1,)
"""AF_UNIX."""

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000

# System call: its number on x86_64, on aarch64 (None where it does not exist).
_DENIED: dict[str, tuple[int, int | None]] = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "acct": (163, 89),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    # No filter of its own: it could make the harness's system calls lie.
    "seccomp": (317, 277),
    "timer_create": (222, 107),
    "timerfd_create": (283, 85),
    # Descriptors in flight are closed by the kernel's own threads, whenever it comes to that.
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "process_madvise": (440, 440),
    "mq_notify": (244, 184),
    "io_setup": (206, 0),
    "io_submit": (209, 2),
    "iopl": (172, None),
    "ioperm": (173, None),
}
_WATCHING = frozenset(
    {
        *("ptrace", "process_vm_readv", "process_vm_writev", "perf_event_open", "kcmp"),
        *("sendmsg", "sendmmsg", "timer_create", "timerfd_create"),
    }
)
"""What profilers use: they trace the program, or talk to the part of themselves that is loaded into it."""
_TALKING = (*_FAMILIES, 2, 10, 16)
"""Besides AF_UNIX, IPv4 and IPv6 on a loopback of the job's own, and netlink, which lists interfaces."""
_PRCTL, _SET_PARENT_DEATH_SIGNAL, _SET_SECCOMP = (157, 167), 1, 22
_CLONE, _CLONE3, _SOCKET = (56, 220), (435, 435), (41, 198)
_FCNTL, _SET_SIGNAL = (72, 25), 10
_IOCTL, _UNLOCK_TERMINAL, _TAKE_TERMINAL = (16, 29), 0x40045431, 0x540E
_MADVISE, _COLLAPSE = (28, 233), 25
"""Inputs of one contender on large pages, where the system gives them to nobody else."""
_SIGCHLD, _SIGCONT = 17, 18

Instruction = tuple[int, int, int, int]


@cache
def filter_program(instrumented: bool = False) -> bytes | None:
    """The filter, as the kernel reads it; None on a machine whose system-call numbers are not known here.

    ``instrumented``: a profiler looks on (``Job.instrumented``).
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        return None
    column = list(_ARCHITECTURES).index(machine)
    return b"".join(struct.pack("=HBBI", *step) for step in _instructions(machine, column, instrumented))


def _instructions(machine: str, column: int, instrumented: bool = False) -> list[Instruction]:
    steps: list[Instruction] = [_load(_AT_ARCHITECTURE), *_unless(_EQUAL, _ARCHITECTURES[machine], errno.ENOSYS)]
    steps.append(_load(_AT_NUMBER))
    if machine == "x86_64":
        steps += _when(_AT_LEAST, _X32, errno.ENOSYS)
    for name, numbers in _DENIED.items():
        if (number := numbers[column]) is not None and not (instrumented and name in _WATCHING):
            steps += _when(_EQUAL, number, errno.EPERM)
    # clone3 hides its flags behind a pointer; without it the C library falls back to clone.
    steps += _when(_EQUAL, _CLONE3[column], errno.ENOSYS)
    clone = [
        _load(_AT_FIRST_ARGUMENT),
        *_when(_ANY_BIT, _NEW_NAMESPACES, errno.EPERM),
        (_AND, 0, 0, 0xFF),  # what is left is the signal for the parent
        (_EQUAL, 2, 0, 0),
        *_unless(_EQUAL, _SIGCHLD, errno.EPERM),
        _return(_ALLOW),
    ]
    socket = [_load(_AT_FIRST_ARGUMENT)]
    for family in _TALKING if instrumented else _FAMILIES:
        socket += [(_EQUAL, 0, 1, family), _return(_ALLOW)]
    socket.append(_return(_ERRNO | errno.EAFNOSUPPORT))
    prctl = [
        _load(_AT_FIRST_ARGUMENT),
        *_when(_EQUAL, _SET_SECCOMP, errno.EPERM),
        (_EQUAL, 1, 0, _SET_PARENT_DEATH_SIGNAL),
        _return(_ALLOW),
        _load(_AT_SECOND_ARGUMENT),
        *_when(_EQUAL, _SIGCONT, errno.EPERM),
        _return(_ALLOW),
    ]
    fcntl = [_load(_AT_SECOND_ARGUMENT), *_when(_EQUAL, _SET_SIGNAL, errno.EPERM), _return(_ALLOW)]
    terminal = [_when(_EQUAL, request, errno.EPERM) for request in (_UNLOCK_TERMINAL, _TAKE_TERMINAL)]
    ioctl = [_load(_AT_SECOND_ARGUMENT), *itertools.chain(*terminal), _return(_ALLOW)]
    madvise = [_load(_AT_THIRD_ARGUMENT), *_when(_EQUAL, _COLLAPSE, errno.EINVAL), _return(_ALLOW)]
    blocks = (
        (_CLONE, clone),
        (_SOCKET, socket),
        (_PRCTL, prctl),
        (_FCNTL, fcntl),
        (_IOCTL, ioctl),
        (_MADVISE, madvise),
    )
    for numbers, block in blocks:
        steps += [(_EQUAL, 0, len(block), numbers[column]), *block]
    return [*steps, _return(_ALLOW)]


def _load(offset: int) -> Instruction:
    return (_LOAD, 0, 0, offset)


def _return(value: int) -> Instruction:
    return (_RETURN, 0, 0, value)


def _when(comparison: int, value: int, error: int) -> list[Instruction]:
    """Fail with ``error`` when the comparison holds; else go on."""
    return [(comparison, 0, 1, value), _return(_ERRNO | error)]


def _unless(comparison: int, value: int, error: int) -> list[Instruction]:
    """Fail with ``error`` unless the comparison holds."""
    return [(comparison, 1, 0, value), _return(_ERRNO | error)]
