"""A loaded model, and the calls made to it. Runs inside a sandbox."""

from __future__ import annotations

import gc
import importlib.util
import random
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

from tools.harness.arena import Arena
from tools.harness.backward import ForwardBackward
from tools.harness.device_memory import DeviceMemory
from tools.harness.guards import Guards, poison
from tools.harness.reserve import Reserve
from tools.harness.tensors import HOST, Leaves, Unsupported, dense_of, flatten
from tools.harness.wire import MAX_LEAVES


class MissingClass(Exception):
    """The file defines no such class; the message names it."""


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


def buffers_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copies of all buffers, those that are not in the state dict too."""
    return {name: value.detach().clone() for name, value in model.named_buffers()}


def put_back(model: torch.nn.Module, saved: dict[str, torch.Tensor]) -> None:
    """Give buffers their ``saved`` values, each in its own dtype; one whose shape has changed is left alone."""
    with torch.no_grad():
        for name, value in model.named_buffers():
            before = saved.get(name)
            if before is not None and before.shape == value.shape:
                value.copy_(before)


class Subject:
    """What the commands of a worker act on."""

    def __init__(self, threads: int, arena: Arena | None, memory: DeviceMemory | None = None) -> None:
        """``memory``: of the device that calls are made on; None for the host itself."""
        self.threads = threads
        self.device = memory.device if memory else HOST
        self._memory = memory
        self.model: torch.nn.Module | None = None
        self.call: Callable[..., Any] | None = None
        self._arena = arena
        self._ready: list[list[Any]] = []
        self._saved: dict[str, torch.Tensor] = {}
        self._outputs: deque[list[Output]] = deque()
        """Of the last calls, and of those before: where they lie decides where the next ones come to lie."""
        self._reserve = Reserve()
        self._guards: Guards | None = None
        self._replay: tuple[Callable[[], None], list[Output]] | None = None

    @property
    def arena(self) -> Arena | None:
        """Where inputs appear."""
        return self._arena

    def adopt(self, model: torch.nn.Module, call: Callable[..., Any]) -> None:
        """Take a constructed model; its buffers are put back to their present values before calls."""
        self.model, self.call = model, call
        self._saved = buffers_of(model)

    def reserve(self, size_bytes: int) -> None:
        """See ``Reserve``. On a device the memory that others can read is taken as a whole."""
        if self._memory is None:
            self._reserve.grow(size_bytes)
            self._reserve.tidy()  # the first time takes 0.1 s: not in a window's time

    def forget(self) -> None:
        """Drop every output."""
        self._ready.clear()
        self._outputs.clear()

    def lay(
        self,
        size: int,
        calls: list[dict[str, Any]],
        fences: list[list[int]],
        poisoned: int,
        guarded: bool,
        recorded: bool = False,
    ) -> None:
        """Get ready for these calls. The values of their inputs are not there yet, only places, shapes and strides.

        ``fences``: stretches of the arena, offset and size, that nobody may touch. ``poisoned``: a byte for memory
        that changes hands, 0 for none. ``guarded``: zones around new tensors. ``recorded``: what the
        calls ask of a device is recorded now, where that is possible, and asked when it is time.
        """
        assert self._arena is not None
        if self.model is not None:
            put_back(self.model, self._saved)
        while len(self._outputs) > (1 if self._memory is None else 0):
            self._outputs.popleft()  # freed now: that takes long for large ones, and is nobody's call
        collect_garbage()
        poison(0)  # or else the whole reserve would be filled
        if self._memory is None:
            self._reserve.tidy()
        self._arena.fence(size, fences)
        self._ready = [self._arena.arguments(size, call["spec"], call["tensors"]) for call in calls]
        torch.set_num_threads(self.threads)
        poison(poisoned)
        self._guards = Guards(poisoned, self.device) if guarded else None
        if isinstance(self.call, ForwardBackward):
            self.call.keeps_apart = guarded
        self._replay = None
        if self._memory is not None:
            self._memory.settle()
            with torch.no_grad():
                self._replay = self._memory.recorded(self._call_all) if recorded else None
            self._memory.settle()

    def is_recorded(self) -> bool:
        """Whether what the calls ask of a device was recorded when they were laid out."""
        return self._replay is not None

    def _call_all(self) -> list[Output]:
        """Make the calls; what is not contiguous is made so, which is part of answering."""
        call = self.call
        assert call is not None
        values = [call(*arguments) for arguments in self._ready]
        return [Output.of(value, self.device) for value in values]

    def go(self) -> int:
        """Call the model on everything that was laid out; nanoseconds for all of it. The outputs are kept."""
        assert self._arena is not None
        with torch.no_grad(), self._guards.around() if self._guards else nullcontext():
            begin = time.perf_counter_ns()
            if self._replay is None:
                outputs = self._call_all()
            else:
                replay, outputs = self._replay
                replay()
            if self._memory is not None:
                self._memory.settle()
            elapsed = time.perf_counter_ns() - begin
        self._outputs.append(outputs)
        self._arena.publish([tensor for output in outputs for tensor in output.tensors])
        if self._memory is not None and self.model is not None and self._saved:
            put_back(self.model, self._saved)  # now: between windows nothing on a device may change
            self._memory.settle()
        return elapsed

    def output(self, which: int) -> Output:
        """One of the last outputs, in the order of the calls."""
        return self._outputs[-1][which]

    def was_overrun(self) -> bool:
        """Whether a guard zone of the last calls was hit."""
        return self._guards is not None and self._guards.were_hit()


@dataclass(frozen=True)
class Output:
    """What one call returned: its nesting, its leaves, and a dense tensor of each."""

    structure: str
    leaves: Leaves
    tensors: list[torch.Tensor]

    @classmethod
    def of(cls, value: Any, device: torch.device = HOST) -> Output:
        """Take it apart. Raises Unsupported for anything but plain tensors and numbers."""
        if type(value) is torch.Tensor:  # the usual case, and part of what is timed
            return cls("T", [value], [dense_of(value, device)])
        leaves: Leaves = []
        structure = flatten(value, leaves)
        if len(leaves) > MAX_LEAVES:
            raise Unsupported(f"{len(leaves)} outputs")
        return cls(structure, leaves, [dense_of(leaf, device) for leaf in leaves])


def collect_garbage() -> None:
    """Collect now and not during a call; what survives is never looked at again, so this stays quick."""
    gc.disable()
    gc.collect()
    gc.freeze()
