"""A loaded model, the input sets it was given, and the calls made to it. Runs inside a sandbox."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import random
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

from tools.harness.reserve import Reserve
from tools.harness.tensors import Packed, Spec, decode, empty_like_packed, raw_bytes, view


class MissingClass(Exception):
    """The file defines no such class; the message names it."""


@dataclass
class Slot:
    """One pristine input set: its values never reach the model, only copies do."""

    spec: Spec
    packed: list[Packed]
    flats: list[torch.Tensor]

    @property
    def layout(self) -> tuple[Packed, ...]:
        """Equal for sets whose copies may share a buffer."""
        return tuple(self.packed)


@dataclass
class Buffer:
    """Where copies of a set are handed to the model."""

    layout: tuple[Packed, ...]
    flats: list[torch.Tensor]
    slot: str = ""


def seed_everything(seed: int) -> None:
    """Seed torch, Python's random and, where it is loaded, numpy."""
    torch.manual_seed(seed)
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed % (1 << 32))


def load_module(path: str, name: str) -> ModuleType:
    """Import a file by its path under a name of ours."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def adopt_state(model: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Copy the values whose name and shape the model has too."""
    own = model.state_dict()
    with torch.no_grad():
        for name, value in state.items():
            if name in own and own[name].shape == value.shape:
                own[name].copy_(value)


class Subject:
    """What the commands of a worker act on."""

    def __init__(self, threads: int, flush_bytes: int) -> None:
        self.threads = threads
        self.model: torch.nn.Module | None = None
        self.call: Callable[..., Any] | None = None
        self._scrap = (ctypes.c_char * flush_bytes)() if flush_bytes else None
        self._slots: dict[str, Slot] = {}
        self._buffers: dict[str, Buffer] = {}
        self._ready: list[tuple[str, list[Any]]] = []
        self._saved: dict[str, torch.Tensor] = {}
        self._outputs: deque[Any] = deque()
        self._reserve = Reserve()

    def adopt(self, model: torch.nn.Module, call: Callable[..., Any]) -> None:
        """Take a constructed model; its buffers are put back to their present values before every call."""
        self.model, self.call = model, call
        self._saved = {name: value.detach().clone() for name, value in model.named_buffers()}

    def put(self, name: str, spec: Spec, packed: list[Packed], read: Callable[[memoryview], None]) -> None:
        """Receive an input set."""
        flats = [empty_like_packed(item) for item in packed]
        for flat in flats:
            read(raw_bytes(flat))
        self._slots[name] = Slot(spec, packed, flats)

    def reserve(self, size_bytes: int) -> None:
        """See ``Reserve``."""
        self._reserve.grow(size_bytes)

    def drop(self, names: list[str]) -> None:
        """Forget input sets, and every copy and output with them."""
        for name in names:
            self._slots.pop(name, None)
        self._ready.clear()
        self._buffers.clear()
        self._outputs.clear()

    def arrange(self, slot_name: str, buffers: list[str], flush: bool) -> None:
        """Copy a set into the named buffers, then make the caches cold. Everything here runs on one thread:
        a second one would leave torch's thread pool spinning into the call that is to be timed.
        """
        self._restore()
        while len(self._outputs) > 1:
            self._outputs.popleft()  # freed now: that takes long for large ones, and is nobody's call
        collect_garbage()
        slot = self._slots[slot_name]
        self._ready = [(name, self._fill(name, slot, slot_name)) for name in buffers]
        torch.set_num_threads(self.threads)
        if flush and self._scrap is not None:
            ctypes.memset(self._scrap, random.getrandbits(8), len(self._scrap))

    def _fill(self, name: str, slot: Slot, slot_name: str) -> list[Any]:
        buffer = self._buffers.get(name)
        if buffer is None or buffer.layout != slot.layout:
            buffer = Buffer(slot.layout, [empty_like_packed(item) for item in slot.packed])
            self._buffers[name] = buffer
        buffer.slot = slot_name
        for target, source in zip(buffer.flats, slot.flats, strict=True):
            ctypes.memmove(target.data_ptr(), source.data_ptr(), source.numel() * source.element_size())
        tensors = [view(item, flat) for item, flat in zip(slot.packed, buffer.flats, strict=True)]
        arguments = decode(slot.spec, tensors)
        return list(arguments)

    def _restore(self) -> None:
        if self.model is None or not self._saved:
            return
        with torch.no_grad():
            for name, value in self.model.named_buffers():
                saved = self._saved.get(name)
                if saved is not None and saved.shape == value.shape:
                    value.copy_(saved)

    def go(self) -> int:
        """Call the model once on each arranged copy; nanoseconds for all of them. The last output is kept."""
        call = self.call
        assert call is not None
        arguments = [item for _, item in self._ready]
        with torch.no_grad():
            begin = time.perf_counter_ns()
            for item in arguments:
                output = call(*item)
            elapsed = time.perf_counter_ns() - begin
        self._outputs.append(output)
        return elapsed

    def output(self, which: int) -> Any:
        """A kept output: -1 is the last call's, -2 that of the call before."""
        return self._outputs[which]

    def mutated(self) -> bool:
        """Whether an arranged copy differs from its set."""
        for name, _ in self._ready:
            buffer = self._buffers[name]
            slot = self._slots[buffer.slot]
            for mine, theirs in zip(buffer.flats, slot.flats, strict=True):
                if not torch.equal(mine.view(torch.uint8), theirs.view(torch.uint8)):
                    return True
        return False


def collect_garbage() -> None:
    """Collect now and not during a call; what survives is never looked at again, so this stays quick."""
    gc.disable()
    gc.collect()
    gc.freeze()
