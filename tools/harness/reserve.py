"""Memory touched beforehand. Runs inside a sandbox; standard library only."""

from __future__ import annotations

import ctypes


class Reserve:
    """What malloc holds and has touched once, so that who gets it meets no page fault.

    That malloc keeps it is for the environment to see to (``tools.worker.STEADY``).
    """

    def __init__(self) -> None:
        self._size_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """Have ``size_bytes`` at least. Does nothing where malloc refuses, or where there is no C library to ask."""
        if size_bytes <= self._size_bytes:
            return
        try:
            libc = ctypes.CDLL(None)
        except OSError:
            return
        libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        libc.free.argtypes = [ctypes.c_void_p]
        block = libc.malloc(size_bytes)
        if block:
            ctypes.memset(block, 1, size_bytes)
            libc.free(block)
            self._size_bytes = size_bytes
