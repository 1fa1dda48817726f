"""CUDA's driver, as far as memory that processes share and one small kernel need it. Standard library only.

Memory made here (``cuMemCreate``) is a descriptor: whoever holds it can map the same bytes of the device, in a sandbox
of its own with its own context, and it lives as long as one of them does. Signatures are those of ``cuda.h`` since
CUDA 10.2.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from ctypes import byref, c_char_p, c_int, c_size_t, c_ubyte, c_uint, c_ulonglong, c_ushort, c_void_p
from functools import cache
from typing import Any

_PINNED, _DESCRIPTOR, _ON_DEVICE, _READ_AND_WRITE, _MINIMUM = 1, 1, 1, 3, 0
_OUT_OF_MEMORY = 2

SPIN = b"""
.version 7.0
.target sm_80
.address_size 64
.visible .entry spin(.param .u64 found, .param .u64 least, .param .u64 most, .param .u64 stop)
{
  .reg .u64 %r<11>;
  .reg .u32 %s;
  .reg .pred %p<5>;
  ld.param.u64 %r1, [found];
  ld.param.u64 %r2, [least];
  ld.param.u64 %r8, [most];
  ld.param.u64 %r9, [stop];
  mov.u64 %r3, %globaltimer;
  mov.u64 %r4, %r3;
  mov.u64 %r5, 0;
AGAIN:
  mov.u64 %r6, %globaltimer;
  sub.u64 %r7, %r6, %r4;
  max.u64 %r5, %r5, %r7;
  mov.u64 %r4, %r6;
  sub.u64 %r7, %r6, %r3;
  setp.lt.u64 %p1, %r7, %r2;
  @%p1 bra AGAIN;
  setp.ge.u64 %p2, %r7, %r8;
  @%p2 bra END;
  ld.volatile.global.u32 %s, [%r9];
  setp.eq.u32 %p3, %s, 0;
  @%p3 bra AGAIN;
END:
  st.global.u64 [%r1], %r5;
  selp.u64 %r10, 1, 0, %p2;
  st.global.u64 [%r1+8], %r10;
  ret;
}
"""
"""One thread that looks at the device's clock and writes down the longest time between two looks, in ns: for ``least``
ns, then until the word ``stop`` is not 0; after ``most`` ns it gives up and says so in a second word. While another
process has work, the device is given to both in turns, and whoever waits sees a gap as long as a turn.
"""


class _Location(ctypes.Structure):
    _fields_ = [("type", c_int), ("id", c_int)]


class _Flags(ctypes.Structure):
    _fields_ = [
        ("compression", c_ubyte),
        ("direct", c_ubyte),
        ("usage", c_ushort),
        ("reserved", c_ubyte * 4),
    ]


class _Properties(ctypes.Structure):
    _fields_ = [
        ("type", c_int),
        ("handles", c_int),
        ("location", _Location),
        ("win32", c_void_p),
        ("flags", _Flags),
    ]


class _Access(ctypes.Structure):
    _fields_ = [("location", _Location), ("flags", c_int)]


class DriverError(RuntimeError):
    """A call to the driver failed; the message names both."""


class OutOfDeviceMemory(DriverError):
    """There is not that much."""


@cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")


def _call(name: str, *arguments: Any) -> None:
    code = getattr(_driver(), name)(*arguments)
    if code:
        text = c_char_p()
        _driver().cuGetErrorString(code, byref(text))
        kind = OutOfDeviceMemory if code == _OUT_OF_MEMORY else DriverError
        raise kind(f"{name}: {(text.value or b'unknown error').decode()} ({code})")


def _properties() -> _Properties:
    return _Properties(_PINNED, _DESCRIPTOR, _Location(_ON_DEVICE, 0), None, _Flags())


def rounded(size: int) -> int:
    """The size of an allocation that holds ``size`` bytes: a multiple of what the device can map."""
    unit = c_size_t()
    _call("cuMemGetAllocationGranularity", byref(unit), byref(_properties()), c_int(_MINIMUM))
    return -(-max(1, size) // unit.value) * unit.value


def create(size: int) -> tuple[int, int]:
    """New memory of ``size`` bytes (``rounded``): handle and descriptor."""
    handle, descriptor = c_ulonglong(), c_int()
    _call("cuMemCreate", byref(handle), c_size_t(size), byref(_properties()), c_ulonglong(0))
    _call("cuMemExportToShareableHandle", byref(descriptor), handle, c_int(_DESCRIPTOR), c_ulonglong(0))
    return int(handle.value), int(descriptor.value)


def adopt(descriptor: int) -> int:
    """A handle of somebody else's memory."""
    handle = c_ulonglong()
    _call("cuMemImportFromShareableHandle", byref(handle), c_void_p(descriptor), c_int(_DESCRIPTOR))
    return int(handle.value)


def map_memory(handle: int, size: int) -> int:
    """Map all of it, to read and to write; nothing is mapped right behind it. The address."""
    address = c_ulonglong()
    length = rounded(1)
    # One unit more is reserved than is mapped: who reads on behind the memory's end faults.
    _call("cuMemAddressReserve", byref(address), c_size_t(size + length), c_size_t(0), c_ulonglong(0), c_ulonglong(0))
    _call("cuMemMap", address, c_size_t(size), c_size_t(0), c_ulonglong(handle), c_ulonglong(0))
    access = _Access(_Location(_ON_DEVICE, 0), _READ_AND_WRITE)
    _call("cuMemSetAccess", address, c_size_t(size), byref(access), c_size_t(1))
    return int(address.value)


def unmap_memory(handle: int, address: int, size: int) -> None:
    """Give back the mapping, and this process's hold on the memory."""
    _call("cuMemUnmap", c_ulonglong(address), c_size_t(size))
    _call("cuMemAddressFree", c_ulonglong(address), c_size_t(size + rounded(1)))
    _call("cuMemRelease", c_ulonglong(handle))


@cache
def _spin() -> c_void_p:
    module, function = c_void_p(), c_void_p()
    _call("cuModuleLoadData", byref(module), SPIN)
    _call("cuModuleGetFunction", byref(function), module, b"spin")
    return function


def launch_spin(found: int, least_ns: int, most_ns: int, stop: int, stream: int) -> None:
    """Launch ``SPIN``. ``found``: address of two words of 8 bytes on the device; ``stop``: of 4 bytes that it can read,
    on the host.
    """
    values = [c_ulonglong(value) for value in (found, least_ns, most_ns, stop)]
    arguments = (c_void_p * len(values))(*[ctypes.cast(byref(value), c_void_p) for value in values])
    one = [c_uint(1)] * 6
    _call("cuLaunchKernel", _spin(), *one, c_uint(0), c_void_p(stream), arguments, None)


def reset_persisting_cache() -> None:
    """Lines of the cache that anybody has asked to be kept are ordinary ones again, where a device can keep any."""
    with suppress(DriverError):
        _call("cuCtxResetPersistingL2Cache")
