"""The program inside a worker: loads one model, calls it when told, ships raw bytes. It decides nothing.

Run as ``python kernel_harness.py candidate|reference``. Everything it says about itself may be forged by the
code it loads; the controller believes bytes that agree with the oracle and its own clock, nothing else.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

_ROOT = str(Path(__file__).resolve().parents[2])
sys.path.insert(0, _ROOT)

if __name__ == "__main__":  # a tenth of what the imports take would go into looking for garbage in what stays
    gc.disable()

import torch  # noqa: E402 - the path of this package must be known first

from tools.harness.altering import changes, mutate  # noqa: E402
from tools.harness.arena import Arena  # noqa: E402
from tools.harness.backward import Plan, asked  # noqa: E402
from tools.harness.ceilings import measure_ceilings  # noqa: E402
from tools.harness.channel import Channel, Hangup  # noqa: E402
from tools.harness.cute_dsl import use_cute_dsl  # noqa: E402
from tools.harness.device_arena import DeviceArena  # noqa: E402
from tools.harness.device_memory import DeviceMemory, memory_of  # noqa: E402
from tools.harness.dry_run import compile_kernels  # noqa: E402
from tools.harness.extensions import find_what_was_built, use_what_was_compiled  # noqa: E402
from tools.harness.faults import Fault  # noqa: E402
from tools.harness.layout import ChannelsLast  # noqa: E402
from tools.harness.reference import Reference  # noqa: E402
from tools.harness.subject import MissingClass, Subject, adopt_state, load_module, seed_everything  # noqa: E402
from tools.harness.tensors import Packed, Unsupported, decode, empty_like_packed, leaf_of, raw_bytes, view  # noqa: E402
from tools.harness.verifier import Verifier  # noqa: E402
from tools.harness.warming import warm_up  # noqa: E402
from tools.harness.wire import FLAG_OVERRUN, FLAG_RECORDED, Record, Status, structure_digest  # noqa: E402

sys.path.remove(_ROOT)

MAX_SHAPES = 200
Chunks = list[bytes | memoryview]


class Harness:
    """One worker's commands. Each returns its record and the bytes that follow it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.seq = 0
        self.subject = Subject(1, None)
        self.memory: DeviceMemory | None = None
        """Of the device, where there is one."""
        self._sent: list[torch.Tensor] = []

    def do_start(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Thread count, where the arena is, and which device this is for."""
        torch.set_num_threads(body["threads"])
        arena: Arena | None = None
        if body.get("device"):
            allow_tf32(False)
            self.memory = memory_of(body["device"])
            arena = DeviceArena(body["arena"], self.memory)
        elif body["arena"]:
            arena = Arena(body["arena"])
        self.subject = Subject(body["threads"], arena, self.memory)
        if body.get("warm"):
            warm_up(body["warm"])
        return Record(self.seq, Status.OK), []

    def do_attach(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Map the regions of the device's memory that are handed over: inputs, and a pool for all that is made."""
        arena, memory = self.subject.arena, self.memory
        assert isinstance(arena, DeviceArena)
        assert memory is not None
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(body["socket"])
            _, descriptors, _, _ = socket.recv_fds(door, 16, len(body["sizes"]))
        inputs, pool = (memory.adopt(*pair) for pair in zip(descriptors, body["sizes"], strict=True))
        arena.attach(inputs, pool)
        arena.tell([inputs.address, pool.address])
        return Record(self.seq, Status.OK), []

    def do_load(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Import the candidate's file, construct ModelNew, give it the reference's parameters."""
        use_what_was_compiled()
        use_cute_dsl()
        tensors = self._receive(body["tensors"])
        state = {name: tensors[index] for name, index in body["state"].items()}
        module = load_module(body["path"], "candidate")
        build = getattr(module, body["class"], None)
        if build is None:
            raise MissingClass(f"the file defines no class {body['class']}")
        seed_everything(body["seed"])
        device = self.subject.device
        model = build(*decode(body["init"], tensors))
        if isinstance(model, torch.nn.Module):
            adopt_state(model, state)
            if self.memory is not None:
                model.to(device)
            plan = Plan.from_json(body["backward"]) if body.get("backward") else None
            self.subject.adopt(model, asked(model, plan))
            if body.get("forms"):
                sys.stderr.write(compile_kernels(model, body["forms"], Path(body["path"]).read_text("utf-8")) + "\n")
        else:
            raise MissingClass(f"{body['class']} is not a torch.nn.Module")
        return Record(self.seq, Status.OK), []

    def do_reserve(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Have so much memory mapped and touched that what follows meets no page faults."""
        self.subject.reserve(body["bytes"])
        return Record(self.seq, Status.OK), []

    def do_forget(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Drop outputs; fails where the device's context is gone."""
        self.subject.forget()
        if self.memory is not None:
            self.memory.settle()
        return Record(self.seq, Status.OK), []

    def do_lay(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Get ready for calls whose inputs will be in the arena when it is time."""
        names = ("arena", "calls", "fences", "poison", "guarded", "recorded")
        self.subject.lay(*(body[name] for name in names))
        return Record(self.seq, Status.OK, FLAG_RECORDED if self.subject.is_recorded() else 0), []

    def do_go(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Call the model; the arena then tells where the outputs lie."""
        return Record(self.seq, Status.OK, elapsed_ns=self.subject.go()), []

    def do_form(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Describe one of the last outputs."""
        output = self.subject.output(body["which"])
        leaves = tuple(leaf_of(value, self.subject.device)[0] for value in output.leaves)
        flags = FLAG_OVERRUN if self.subject.was_overrun() else 0
        return Record(self.seq, Status.OK, flags, structure=structure_digest(output.structure), leaves=leaves), []

    def _receive(self, items: list[Any]) -> list[torch.Tensor]:
        packed = [Packed.from_json(item) for item in items]
        flats = [empty_like_packed(item) for item in packed]
        for flat in flats:
            self.channel.read_into(raw_bytes(flat))
        return [view(item, flat) for item, flat in zip(packed, flats, strict=True)]

    def answer(self, request: dict[str, Any]) -> tuple[Record, Chunks]:
        """Carry out one request; whatever the loaded code raises becomes a record.

        The border of this program: the loaded code may raise anything, ``SystemExit`` included.
        """
        self.seq = request["seq"]
        try:
            reply = self.carry_out(request)
        except Hangup:
            raise
        except Fault as fault:
            text = str(fault).encode()
            return Record(self.seq, Status.FAULT, text_bytes=len(text)), [text]
        except BaseException as error:  # noqa: BLE001 - see the docstring
            traceback.print_exc()
            sys.stderr.flush()
            return Record(self.seq, status_of(error)), []
        return reply

    def carry_out(self, request: dict[str, Any]) -> tuple[Record, Chunks]:
        """One of the methods here."""
        reply: tuple[Record, Chunks] = getattr(self, "do_" + request["op"])(request)
        return reply

    def serve(self) -> None:
        """Answer until the controller hangs up."""
        while True:
            try:
                request = self.channel.next_request()
            except Hangup:
                return
            self.channel.answer(*self.answer(request))


class ReferenceHarness(Harness):
    """A worker that imports the user's problem file: the oracle and the baselines."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.reference = Reference()

    def do_problem(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Import the problem, construct the model, say what constructing a candidate needs."""
        self.reference.device = self.subject.device
        if self.memory is not None:
            allow_tf32(bool(body.get("tf32")))
        text, chunks = self.reference.open(body["path"], body["name"], body["seed"])
        model = self.reference.model
        made = ChannelsLast(model) if body.get("channels_last") else model
        call = compiled(made, **body.get("options") or {}) if body["compiled"] else made
        call = asked(model, self.reference.plan, call)
        self.subject.adopt(model, call)
        if body.get("warm"):
            self._warm(call, body["seed"])
        return self._with_text(text, chunks)

    def _warm(self, call: Any, seed: int) -> None:
        """Have it compiled, for every case, while others do the same: on a device they are called in turns."""
        with torch.no_grad():
            for inputs in self.reference.cases(seed).values():
                call(*inputs)

    def do_describe(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Run the reference on every case and describe it."""
        return self._with_text(self.reference.describe(body["seed"], body["memory_bytes"]), [])

    def do_graph(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Trace the reference."""
        return self._with_text(self.reference.graph(body["seed"]), [])

    def do_make(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Draw an input set, and compute what the oracle and eager make of it."""
        text, chunks = self.reference.make(body["case"], body["seed"], body["rows"], body["dress"])
        return self._with_text(text, chunks)

    def do_draw(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Draw input sets, and compute nothing."""
        text, chunks = self.reference.draw(body["case"], body["seeds"])
        return self._with_text(text, chunks)

    def do_changes(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Which mutants of the reference there are."""
        return self._with_text(changes(self.reference, body["case"], body["seed"]), [])

    def do_mutate(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """What a mutant of the reference answers."""
        text, chunks = mutate(self.reference, body["case"], body["seed"], body["change"], body["what"])
        return self._with_text(text, chunks)

    def do_condition(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """How much the outputs move when every input moves by half a unit in the last place."""
        return self._with_text(self.reference.condition(body["case"], body["seed"], body["rows"], body["dress"]), [])

    def do_waver(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Integers that are right besides the oracle's."""
        text, chunks = self.reference.waver(body["case"], body["seed"], body["rows"], body["dress"], body["step"])
        return self._with_text(text, chunks)

    def do_machine(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Copy bandwidth and arithmetic peak of this machine as torch reaches them."""
        return self._with_text(json.dumps(measure_ceilings(self.subject.device)).encode(), [])

    def _with_text(self, text: bytes, chunks: list[torch.Tensor]) -> tuple[Record, Chunks]:
        self._sent = chunks = [chunk.cpu() for chunk in chunks]
        record = Record(self.seq, Status.OK, text_bytes=len(text))
        return record, [text, *(raw_bytes(chunk) for chunk in chunks)]


class VerifierHarness(ReferenceHarness):
    """The oracle of a device: what is made stays there, and is compared there."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        self.verifier: Verifier | None = None

    def do_start(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Where the oracle works, and what it may keep."""
        reply = super().do_start(body)
        assert self.memory is not None
        self.verifier = Verifier(self.reference, self.memory, body["shelf"])
        return reply

    def do_describe(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Run the reference on every case and describe it."""
        with torch.device(self.subject.device):
            return super().do_describe(body)

    def do_graph(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Trace the reference."""
        with torch.device(self.subject.device):
            return super().do_graph(body)

    def do_changes(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Which mutants of the reference there are."""
        with torch.device(self.subject.device):
            return super().do_changes(body)

    def carry_out(self, request: dict[str, Any]) -> tuple[Record, Chunks]:
        """What a verifier does, it does."""
        if self.verifier is None or not self.verifier.knows(request["op"]):
            return super().carry_out(request)
        return self._with_text(*self.verifier.answer(request["op"], request))


def allow_tf32(allowed: bool) -> None:
    """No shortcuts that nobody asked for: a float32 product is one, in baselines as in candidates."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def compiled(model: torch.nn.Module, **options: Any) -> Any:
    """As people compile it, once for each shape; by default torch gives up after the eighth and runs eager."""
    import torch._dynamo

    torch._dynamo.config.recompile_limit = MAX_SHAPES
    return torch.compile(model, dynamic=False, **options)


def status_of(error: BaseException) -> Status:
    """Class of a failure."""
    text = str(error)
    if (
        isinstance(error, MemoryError | torch.OutOfMemoryError)
        or "not enough memory" in text
        or "can't allocate memory" in text
    ):
        return Status.OUT_OF_MEMORY
    if isinstance(error, MissingClass):
        return Status.NO_MODEL
    if isinstance(error, ImportError):
        return Status.IMPORT_ERROR
    return Status.UNSUPPORTED_OUTPUT if isinstance(error, Unsupported) else Status.EXCEPTION


def main() -> None:
    """Serve, then end at once: nothing a loaded module registered for the end is run."""
    gc.freeze()
    gc.enable()
    sys.dont_write_bytecode = True
    find_what_was_built()
    channel = Channel()
    kinds = {"reference": ReferenceHarness, "verifier": VerifierHarness}
    kinds.get(sys.argv[1], Harness)(channel).serve()
    os._exit(0)


if __name__ == "__main__":
    main()
