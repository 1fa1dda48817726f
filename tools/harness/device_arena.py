"""The worker's view of a device's arena: inputs that appear in shared memory of the device, and where outputs lie."""

from __future__ import annotations

from typing import Any

import torch

from tools.harness.arena import Arena
from tools.harness.device_memory import DeviceMemory, Region
from tools.harness.tensors import Packed, decode, view
from tools.harness.wire import ARENA_HEADER_BYTES


class DeviceArena(Arena):
    """Inputs on a device. The table of outputs is in the file that both ends have mapped, as without a device."""

    def __init__(self, path: str, memory: DeviceMemory) -> None:
        super().__init__(path)
        self.memory = memory
        self._inputs: Region | None = None

    def attach(self, inputs: Region, pool: Region) -> None:
        """Use these regions from now on."""
        self._inputs = inputs
        self.memory.take_pool(pool)

    def fence(self, size: int, stretches: list[list[int]]) -> None:
        """Nothing to do: what lies behind the region's end is mapped nowhere."""

    def arguments(self, size: int, spec: Any, places: list[list[Any]]) -> list[Any]:
        """What one call gets: views of the region. ``places``: packed tensors, each with its offset in bytes."""
        assert self._inputs is not None
        tensors = []
        for *facts, offset in places:
            packed = Packed.from_json(facts)
            dtype = getattr(torch, packed.dtype)
            flat = self._inputs.bytes[offset : offset + packed.size_bytes].view(dtype)
            tensors.append(view(packed, flat))
        return list(decode(spec, tensors))

    def publish(self, tensors: list[torch.Tensor]) -> None:
        """Say where outputs lie."""
        self.tell(self.memory.house(tensors))

    def tell(self, addresses: list[int]) -> None:
        """Put these into the table."""
        self._grow(ARENA_HEADER_BYTES)
        self.write_table(addresses)
