"""Stretches of a device's memory that several processes map: inputs that appear there, outputs that are read there.

``CudaMemory`` is a GPU's. ``HostMemory`` keeps the same promises with plain memory, so that all around it can be tried
on a machine without a device. Runs inside a sandbox.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from tools.harness import cuda_driver

LOOKING_S = 0.25
"""Who looks at the device gives up then: some calls of CUDA's wait for all that runs, and would wait for ever."""


@dataclass(frozen=True)
class Region:
    """One stretch, mapped."""

    address: int
    size: int
    bytes: torch.Tensor
    """All of it, flat."""
    descriptor: int
    """By which others may map it; -1 in a process that was given it."""
    handle: Any = None


class DeviceMemory(Protocol):
    """Makes and maps regions."""

    device: torch.device

    def create(self, size: int) -> Region:
        """New memory of that many bytes at least. Raises torch.OutOfMemoryError."""

    def adopt(self, descriptor: int, size: int) -> Region:
        """Map what another process made. The descriptor is closed."""

    def release(self, region: Region) -> None:
        """Unmap it."""

    def take_pool(self, region: Region) -> None:
        """From now on whatever torch allocates on the device lies there, where that can be had."""

    def house(self, tensors: list[torch.Tensor]) -> list[int]:
        """Where in memory that others can read these lie."""

    def settle(self) -> None:
        """Wait until the device has done all it was asked for."""

    def recorded(self, run: Callable[[], list[Any]]) -> tuple[Callable[[], None], list[Any]] | None:
        """What ``run`` asks of the device, to be asked again without any of its code, and what it returned. None where
        that cannot be recorded.
        """

    def begin_looking(self, for_s: float) -> None:
        """From now on, for so long at least, look whether the device is somebody else's."""

    def end_looking(self) -> float | None:
        """For how long at a stretch it was, at most, in seconds; None if nobody looked, or not until now."""

    def cool(self) -> None:
        """Have caches keep nothing that they were asked to keep."""


class _Exposed:
    """Device memory, described as torch reads it (CUDA array interface, version 3)."""

    def __init__(self, address: int, size: int) -> None:
        self.__cuda_array_interface__ = {
            "shape": (size,),
            "typestr": "|u1",
            "data": (address, False),
            "version": 3,
        }


class CudaMemory:
    """The memory of the one GPU that this process sees."""

    def __init__(self) -> None:
        # Nothing of CUDA's is begun yet: a worker that waits for its candidate has no context, which while it is made
        # has the device to itself for a moment.
        self.device = torch.device("cuda", 0)
        self._side: tuple[Any, Any] | None = None
        self._looking: tuple[Any, torch.Tensor, torch.Tensor] | None = None
        """A stream of its own, what is found out on it, and the word on the host that ends it."""
        self._is_looking = False

    def create(self, size: int) -> Region:
        """See ``DeviceMemory``."""
        self._begin()
        size = cuda_driver.rounded(size)
        try:
            handle, descriptor = cuda_driver.create(size)
        except cuda_driver.OutOfDeviceMemory as error:
            raise torch.OutOfMemoryError(str(error)) from error
        return self._mapped(handle, size, descriptor)

    def adopt(self, descriptor: int, size: int) -> Region:
        """See ``DeviceMemory``."""
        self._begin()
        handle = cuda_driver.adopt(descriptor)
        os.close(descriptor)
        return self._mapped(handle, cuda_driver.rounded(size), -1)

    def _begin(self) -> None:
        torch.cuda.init()
        torch.cuda.set_device(self.device)
        torch.cuda.synchronize()

    def _mapped(self, handle: int, size: int, descriptor: int) -> Region:
        address = cuda_driver.map_memory(handle, size)
        flat = torch.as_tensor(_Exposed(address, size), device=self.device)
        return Region(address, size, flat, descriptor, handle)

    def release(self, region: Region) -> None:
        """See ``DeviceMemory``."""
        torch.cuda.synchronize()
        cuda_driver.unmap_memory(region.handle, region.address, region.size)
        if region.descriptor >= 0:
            os.close(region.descriptor)

    def take_pool(self, region: Region) -> None:
        """See ``DeviceMemory``. ``pool.c`` has to be loaded before torch."""
        take = getattr(ctypes.CDLL(None), "kernelwright_pool", None)
        if take is not None:
            take(ctypes.c_void_p(region.address), ctypes.c_size_t(region.size))

    def house(self, tensors: list[torch.Tensor]) -> list[int]:
        """See ``DeviceMemory``: where they are."""
        return [tensor.data_ptr() for tensor in tensors]

    def settle(self) -> None:
        """See ``DeviceMemory``. Who looks whether the device is idle is not waited for."""
        if self._is_looking:
            torch.cuda.current_stream().synchronize()
        else:
            torch.cuda.synchronize()

    def recorded(self, run: Callable[[], list[Any]]) -> tuple[Callable[[], None], list[Any]] | None:
        """See ``DeviceMemory``: a CUDA graph. Not ``torch.cuda.graph``, which empties the allocator's cache."""
        if self._side is None:  # one of each: libraries keep workspaces for every stream and pool
            self._side = torch.cuda.Stream(), torch.cuda.graph_pool_handle()
        for _ in range(2):
            try:
                return _captured(run, *self._side)
            except torch.OutOfMemoryError:  # torch gives back nothing of what it keeps while something is recorded
                torch.cuda.synchronize()
            except RuntimeError:  # it waits for the device, or looks at values
                torch.cuda.synchronize()
                return None
            torch.cuda.empty_cache()
        return None

    def begin_looking(self, for_s: float) -> None:
        """See ``DeviceMemory``. On a stream that waits for no other, and no other for it."""
        if self._looking is None:
            found = torch.zeros(2, dtype=torch.int64, device=self.device)
            stop = torch.zeros(1, dtype=torch.int32, device="cpu").pin_memory()
            torch.cuda.synchronize()
            # Of another priority: those of one kind share the device's queues, and would wait for each other there.
            self._looking = torch.cuda.Stream(priority=-1), found, stop
        stream, found, stop = self._looking
        stop.zero_()
        self._is_looking = True
        where = found.data_ptr(), int(for_s * 1e9), int(LOOKING_S * 1e9), stop.data_ptr()
        cuda_driver.launch_spin(*where, stream.cuda_stream)

    def end_looking(self) -> float | None:
        """See ``DeviceMemory``."""
        if self._looking is None or not self._is_looking:
            return None
        stream, found, stop = self._looking
        stop.fill_(1)
        stream.synchronize()
        self._is_looking = False
        longest_ns, gave_up = found.tolist()
        return None if gave_up else longest_ns / 1e9

    def cool(self) -> None:
        """See ``DeviceMemory``."""
        cuda_driver.reset_persisting_cache()


def _captured(run: Callable[[], list[Any]], stream: Any, pool: Any) -> tuple[Callable[[], None], list[Any]]:
    graph = torch.cuda.CUDAGraph()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        graph.capture_begin(pool=pool, capture_error_mode="thread_local")
        try:
            found = run()
        finally:
            graph.capture_end()
    return graph.replay, found


class HostMemory:
    """Plain memory in the place of a device's. Outputs are copied to where they can be read."""

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self._pool: Region | None = None
        self._used = 0

    def create(self, size: int) -> Region:
        """See ``DeviceMemory``."""
        size = -(-max(1, size) // mmap.PAGESIZE) * mmap.PAGESIZE
        descriptor = os.memfd_create("kernelwright-region")
        os.ftruncate(descriptor, size)
        return self._mapped(descriptor, size)

    def adopt(self, descriptor: int, size: int) -> Region:
        """See ``DeviceMemory``."""
        return self._mapped(descriptor, os.fstat(descriptor).st_size)

    def _mapped(self, descriptor: int, size: int) -> Region:
        mapped = mmap.mmap(descriptor, size)
        flat = torch.frombuffer(mapped, dtype=torch.uint8)
        return Region(flat.data_ptr(), size, flat, descriptor, mapped)

    def release(self, region: Region) -> None:
        """See ``DeviceMemory``. The mapping goes with the last tensor that looks at it."""
        os.close(region.descriptor)

    def take_pool(self, region: Region) -> None:
        """See ``DeviceMemory``."""
        self._pool = region

    def house(self, tensors: list[torch.Tensor]) -> list[int]:
        """See ``DeviceMemory``: a copy's place."""
        assert self._pool is not None
        places, cursor = [], 0
        for tensor in tensors:
            if not tensor.numel():
                places.append(0)  # as CUDA has it
                continue
            flat = tensor.reshape(-1).view(torch.uint8)
            end = cursor + flat.numel()
            if end > self._pool.size:
                return [0] * len(tensors)
            self._pool.bytes[cursor:end].copy_(flat)
            places.append(self._pool.address + cursor)
            cursor = -(-end // 64) * 64
        return places

    def settle(self) -> None:
        """See ``DeviceMemory``: nothing is ever left to do."""

    def recorded(self, run: Callable[[], list[Any]]) -> tuple[Callable[[], None], list[Any]] | None:
        """See ``DeviceMemory``: nothing can."""
        return None

    def begin_looking(self, for_s: float) -> None:
        """See ``DeviceMemory``: nobody else can have it."""

    def end_looking(self) -> float | None:
        """See ``DeviceMemory``."""
        return 0.0

    def cool(self) -> None:
        """See ``DeviceMemory``: there are none."""


def memory_of(device: str) -> DeviceMemory:
    """The memory of ``cuda``, or of ``host`` for trying things out."""
    return CudaMemory() if device == "cuda" else HostMemory()
