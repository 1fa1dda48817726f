"""Memory touched beforehand, and a heap in order. Runs inside a sandbox; standard library only."""

from __future__ import annotations

import ctypes
import random

SPACER_BYTES = 4 << 20
SPACER_SHARE = 8
"""A spacer takes so small a part of the free stretch at most."""
PLUGS = tuple(1 << power for power in range(26, 15, -1))
"""Sizes that holes are closed with, largest first. What is left of each serves the small things that a process
allocates for good, which would otherwise come to lie in the midst of the free stretch.
"""
CRUMBS = ((1 << 11, 1024), (1 << 13, 128), (48 << 10, 32))
"""Small holes, size and number, that are made once and for all: for what a process allocates for good."""
MAX_PLUGS = 4096
ROOM = 2.5
"""Times what is to be reserved, so much is touched at once. The last window's outputs, up to half of it, lie anywhere:
on one side of them there is room enough. With less, the heap grew until there was, window after window, and page faults
took up to 0.8 s of getting ready for one (2-core virtual machine, outputs of 24 MiB, 2026-11-29).
"""
ENOUGH = (8, 7, 6)
"""Eighths of what is reserved, which is meant for two windows: so much of what was touched before is taken rather than
that the heap grows.
"""
MOST_TOUCHED = 6
"""Times what is to be reserved. What stays where it is keeps breaking stretches in two. By estimate: that 4 was too
little was seen before windows were limited to what is reserved for them, which may have been the reason.
"""


class Reserve:
    """What malloc holds and has touched once, so that who gets it meets no page fault, and one piece of it.

    Where malloc finds room depends on every block that the process ever gave back: the same operator cycles through
    two buffers in one process and through six in another, and takes up to a quarter longer there (decision 010). So
    before each window the holes in the heap are closed, and what follows starts at a place drawn by lot in one free
    stretch. That malloc keeps the memory is for the environment to see to (``tools.launching.STEADY``).
    """

    def __init__(self) -> None:
        self._size_bytes = 0
        self._touched = (0, 0)
        """From where to where in the heap."""
        self._plugs = [0] * MAX_PLUGS
        self._plugged = 0
        """How many of them are held. A list that grew would itself be a block in the midst of the heap."""
        self._libc: ctypes.CDLL | None = None
        self._lot = random.SystemRandom()

    def grow(self, size_bytes: int) -> None:
        """Have ``size_bytes`` at least. Does nothing where malloc refuses, or where there is no C library to ask."""
        size_bytes += SPACER_BYTES
        if size_bytes <= self._size_bytes:
            return
        libc = self._open()
        if libc is None:
            return
        self._free()
        whole = int(ROOM * size_bytes)
        block = libc.malloc(whole)
        if block:
            self._size_bytes = size_bytes
            self._touch(block, whole)
            libc.free(block)

    def tidy(self) -> None:
        """Close the holes of the heap, for one window. Does nothing before the first ``grow``."""
        libc = self._libc
        if libc is None or not self._size_bytes:
            return
        self._free()
        stretch, free_bytes = self._stretch(libc)
        if not stretch:
            return
        beyond = self._beyond(libc)
        for size in PLUGS:
            while self._plugged < MAX_PLUGS - 1:
                block = libc.malloc(size)
                if not block:
                    break
                if block >= beyond:
                    libc.free(block)
                    break
                self._plug(block)
        libc.free(stretch)
        most = min(SPACER_BYTES, free_bytes // SPACER_SHARE)  # what follows has to fit as well
        spacer = libc.malloc(64 * self._lot.randrange(1, most // 64))
        if spacer:
            self._plug(spacer)

    def _stretch(self, libc: ctypes.CDLL) -> tuple[int, int]:
        """A piece of touched memory, where and how large: in full, unless the heap is so much in pieces that it would
        grow on.
        """
        for eighths in ENOUGH:
            size = self._size_bytes * eighths // 8
            block = int(libc.malloc(size) or 0)
            if block and block + size <= self._touched[1]:
                self._touch(block, size)
                return block, size
            libc.free(block)
        size = self._size_bytes
        while size >= PLUGS[-1]:
            block = int(libc.malloc(size) or 0)
            if block and block + size - self._touched[0] <= MOST_TOUCHED * self._size_bytes:
                self._touch(block, size)
                return block, size
            libc.free(block)
            size //= 2
        return 0, 0

    def _beyond(self, libc: ctypes.CDLL) -> int:
        """Where the heap's unused end begins: what is too large for every hole is put there.

        Holes may lie above all that was touched, below some small block that stays. The smallest hole that fits is
        taken first, so a search that stopped at them would leave larger ones open.
        """
        block = int(libc.malloc(MOST_TOUCHED * self._size_bytes) or 0)
        libc.free(block)
        return block or self._touched[1]

    def _touch(self, begin: int, size_bytes: int) -> None:
        """Touch what was not touched before. Between two stretches lies what others use, or used."""
        end = begin + size_bytes
        low, high = self._touched
        if low == high:
            low = high = begin
        if begin < low:
            ctypes.memset(begin, 1, min(end, low) - begin)
        if end > high:
            ctypes.memset(max(begin, high), 1, end - max(begin, high))
        self._touched = (min(low, begin), max(high, end))

    def _plug(self, block: int) -> None:
        self._plugs[self._plugged] = block
        self._plugged += 1

    def _free(self) -> None:
        assert self._libc is not None
        while self._plugged:
            self._plugged -= 1
            self._libc.free(self._plugs[self._plugged])

    def _open(self) -> ctypes.CDLL | None:
        if self._libc is None:
            try:
                libc = ctypes.CDLL(None)
            except OSError:
                return None
            libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
            libc.free.restype, libc.free.argtypes = None, [ctypes.c_void_p]
            self._libc = libc
            for size, count in CRUMBS:
                blocks = [libc.malloc(size) for _ in range(2 * count)]
                for block in blocks[::2]:  # every other one stays, or else they would be one hole
                    libc.free(block)
        return self._libc
