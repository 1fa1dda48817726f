"""The program inside a worker: loads one model, calls it when told, ships raw bytes. It decides nothing.

Run as ``python kernel_harness.py candidate|reference``. Everything it says about itself may be forged by the
code it loads; the controller believes bytes that agree with the oracle and its own clock, nothing else.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

_ROOT = str(Path(__file__).resolve().parents[2])
sys.path.insert(0, _ROOT)

import torch  # noqa: E402 - the path of this package must be known first

from tools.harness.channel import Channel, Hangup  # noqa: E402
from tools.harness.faults import Fault  # noqa: E402
from tools.harness.reference import Reference  # noqa: E402
from tools.harness.subject import MissingClass, Subject, adopt_state, load_module, seed_everything  # noqa: E402
from tools.harness.tensors import (  # noqa: E402
    Leaves,
    Packed,
    Unsupported,
    decode,
    empty_like_packed,
    flatten,
    leaf_of,
    raw_bytes,
    view,
)
from tools.harness.wire import (  # noqa: E402
    FLAG_MUTATED,
    MAX_LEAVES,
    Record,
    Status,
    structure_digest,
)

sys.path.remove(_ROOT)

Chunks = list[bytes | memoryview]


class Harness:
    """One worker's commands. Each returns its record and the bytes that follow it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.seq = 0
        self.subject = Subject(1, 0)
        self._sent: list[torch.Tensor] = []

    def do_start(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Thread count and size of the buffer that evicts the caches."""
        torch.set_num_threads(body["threads"])
        self.subject = Subject(body["threads"], body["flush_bytes"])
        return Record(self.seq, Status.OK), []

    def do_load(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Import the candidate's file, construct ModelNew, give it the reference's parameters."""
        tensors = self._receive(body["tensors"])
        state = {name: tensors[index] for name, index in body["state"].items()}
        module = load_module(body["path"], "candidate")
        build = getattr(module, body["class"], None)
        if build is None:
            raise MissingClass(f"the file defines no class {body['class']}")
        seed_everything(body["seed"])
        model = build(*decode(body["init"], tensors))
        if isinstance(model, torch.nn.Module):
            adopt_state(model, state)
            self.subject.adopt(model, model)
        else:
            raise MissingClass(f"{body['class']} is not a torch.nn.Module")
        return Record(self.seq, Status.OK), []

    def do_put(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Receive an input set."""
        packed = [Packed.from_json(item) for item in body["tensors"]]
        self.subject.put(body["slot"], body["spec"], packed, self.channel.read_into)
        return Record(self.seq, Status.OK), []

    def do_reserve(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Have so much memory mapped and touched that what follows meets no page faults."""
        self.subject.reserve(body["bytes"])
        return Record(self.seq, Status.OK), []

    def do_drop(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Forget input sets."""
        self.subject.drop(body["slots"])
        return Record(self.seq, Status.OK), []

    def do_arrange(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Make fresh copies of a set and cold caches."""
        self.subject.arrange(body["slot"], body["buffers"], body["flush"])
        return Record(self.seq, Status.OK), []

    def do_go(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Call the model; the output stays here until it is asked for."""
        return Record(self.seq, Status.OK, elapsed_ns=self.subject.go()), []

    def do_ship(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Send a kept output."""
        values: Leaves = []
        structure = flatten(self.subject.output(body["which"]), values)
        for value in values:
            if isinstance(value, torch.Tensor) and type(value) not in (torch.Tensor, torch.nn.Parameter):
                raise Unsupported(f"a {type(value).__name__} instead of a plain tensor")
        if len(values) > MAX_LEAVES:
            raise Unsupported(f"{len(values)} outputs")
        pairs = [leaf_of(value) for value in values]
        self._sent = [dense for _, dense in pairs]
        flags = FLAG_MUTATED if body["compare"] and self.subject.mutated() else 0
        leaves = tuple(leaf for leaf, _ in pairs)
        record = Record(self.seq, Status.OK, flags, structure=structure_digest(structure), leaves=leaves)
        return record, [raw_bytes(dense) for dense in self._sent]

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
            reply: tuple[Record, Chunks] = getattr(self, "do_" + request["op"])(request)
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
        text, chunks = self.reference.open(body["path"], body["name"], body["seed"])
        model = self.reference.model
        call = torch.compile(model, dynamic=False) if body["compiled"] else model
        self.subject.adopt(model, call)
        return self._with_text(text, chunks)

    def do_describe(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Run the reference on every case and describe it."""
        return self._with_text(self.reference.describe(body["seed"]), [])

    def do_make(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Draw an input set, and compute what the oracle and eager make of it."""
        text, chunks = self.reference.make(body["case"], body["seed"], body["rows"])
        return self._with_text(text, chunks)

    def do_condition(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """How much the outputs move when every input moves by half a unit in the last place."""
        return self._with_text(self.reference.condition(body["case"], body["seed"]), [])

    def do_machine(self, body: dict[str, Any]) -> tuple[Record, Chunks]:
        """Copy bandwidth and arithmetic peak of this machine as torch reaches them."""
        return self._with_text(self.reference.machine(), [])

    def _with_text(self, text: bytes, chunks: list[torch.Tensor]) -> tuple[Record, Chunks]:
        self._sent = chunks
        record = Record(self.seq, Status.OK, text_bytes=len(text))
        return record, [text, *(raw_bytes(chunk) for chunk in chunks)]


def status_of(error: BaseException) -> Status:
    """Class of a failure."""
    text = str(error)
    if isinstance(error, MemoryError) or "not enough memory" in text or "can't allocate memory" in text:
        return Status.OUT_OF_MEMORY
    if isinstance(error, MissingClass):
        return Status.NO_MODEL
    if isinstance(error, ImportError):
        return Status.IMPORT_ERROR
    return Status.UNSUPPORTED_OUTPUT if isinstance(error, Unsupported) else Status.EXCEPTION


def main() -> None:
    """Serve, then end at once: nothing a loaded module registered for the end is run."""
    sys.dont_write_bytecode = True
    channel = Channel()
    harness = ReferenceHarness(channel) if sys.argv[1:] == ["reference"] else Harness(channel)
    harness.serve()
    os._exit(0)


if __name__ == "__main__":
    main()
