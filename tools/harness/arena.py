"""The worker's view of the arena: inputs that appear in shared memory, and the table of where outputs lie."""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from typing import Any

import torch

from tools.harness.tensors import Packed, decode, view
from tools.harness.wire import ARENA_TABLE

_POPULATE = 0x8000


class Arena:
    """A file both ends have mapped. Its pages are touched when it is mapped, so that no call meets their faults."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._map: mmap.mmap | None = None
        self._old: list[mmap.mmap] = []
        """Outputs may be views of them."""
        self._base = 0
        self._size = 0
        self._fences: list[tuple[int, int]] = []

    def fence(self, size: int, stretches: list[list[int]]) -> None:
        """Take away these stretches of pages, and give back those taken away before."""
        self._grow(size)
        protect = ctypes.CDLL(None).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for address, length in self._fences:
            protect(address, length, mmap.PROT_READ | mmap.PROT_WRITE)
        self._fences = [(self._base + offset, length) for offset, length in stretches]
        for address, length in self._fences:
            protect(address, length, 0)

    def arguments(self, size: int, spec: Any, places: list[list[Any]]) -> list[Any]:
        """What one call gets: views of the arena. ``places``: packed tensors, each with its offset in bytes."""
        self._grow(size)
        tensors = []
        for *facts, offset in places:
            packed = Packed.from_json(facts)
            dtype = getattr(torch, packed.dtype)
            flat = torch.empty(0, dtype=dtype)
            if packed.span:
                memory = (ctypes.c_char * packed.size_bytes).from_address(self._base + offset)
                flat = torch.frombuffer(memory, dtype=dtype)
            tensors.append(view(packed, flat))
        return list(decode(spec, tensors))

    def publish(self, tensors: list[torch.Tensor]) -> None:
        """Say where outputs lie."""
        self.write_table([tensor.data_ptr() for tensor in tensors])

    def write_table(self, addresses: list[int]) -> None:
        """These, for the controller to read."""
        assert self._map is not None
        struct.pack_into(f"<{len(addresses)}Q", self._map, ARENA_TABLE.size, *addresses)
        ARENA_TABLE.pack_into(self._map, 0, len(addresses))  # last: somebody may be looking out for it

    def _grow(self, size: int) -> None:
        if size <= self._size:
            return
        if self._map is not None:
            self._old.append(self._map)
        flags = mmap.MAP_SHARED | _POPULATE
        self._map = mmap.mmap(self._file, size, flags=flags)
        self._base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self._size = size
