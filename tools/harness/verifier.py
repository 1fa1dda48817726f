"""The oracle of a device: it puts inputs into memory that contenders share with it, and compares what they answer.

What a host's controller does with bytes is done here with tensors that never leave the device. The controller names
them (``Ref``), decides what is compared with what, and gets numbers. No code of a candidate's runs in this process, and
it believes nothing that lies in shared memory but the values. Runs inside a sandbox.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import torch

from tools.harness.alike import Terms, are_alike
from tools.harness.altering import mutate
from tools.harness.arrays import EPS, chunks
from tools.harness.ceilings import measure_ceilings
from tools.harness.device_memory import DeviceMemory, Region
from tools.harness.licence import Expected, Licence, compare, measure
from tools.harness.lookout import Lookout
from tools.harness.reference import Reference
from tools.harness.shelf import Made, Shelf
from tools.harness.tensors import Packed, decode, encode, held_bytes, view
from tools.harness.wholes import wrong_wholes
from tools.harness.wire import LOOKED_AT, Leaf
from tools.harness.yardstick import ErrorFacts, Yardstick

Ref = list[Any]
"""Names a tensor: ``["made", case, seed, rows, dress, index]``, ``["drawn", case, seed, index]``,
``["mutant", index]``, ``["wavering", case, seed, rows, dress, step, index]`` or ``["region", number, offset, size]``.
"""

ALIGNED = 16
WEIGHTS = 1 << 22
LOW_HALF = 0xFFFFFFFF
OPERATIONS = [
    "create",
    "release",
    "memory_of_a_call",
    "make",
    "draw",
    "fill",
    "changed",
    "spoil",
    "flush",
    "digest",
    "read",
    "compare",
    "measure",
    "wholes",
    "finite",
    "alike",
    "mutate",
    "waver",
    "condition",
    "machine",
    "forget",
    "keep",
]
COLD = 2
"""Times the cache is written over to make it cold."""
MIXER = 0x9E3779B97F4A7C15
"""Odd; so that stretches of a tensor cannot change places."""


class Verifier:
    """One device's regions, what was drawn and answered, and what can be asked about them."""

    def __init__(self, reference: Reference, memory: DeviceMemory, shelf_bytes: int) -> None:
        self.reference = reference
        self.memory = memory
        self.reference.device = memory.device
        self._shelf = Shelf(shelf_bytes)
        self._regions: dict[int, Region] = {}
        self._mutant: list[torch.Tensor] = []
        self._cold: torch.Tensor | None = None
        self._lookout = lookout = Lookout(memory, self._regions)
        self._is_practised = False
        """Inputs were put somewhere before while nobody looked."""
        self._weights: torch.Tensor | None = None
        self._operations: dict[str, Callable[[dict[str, Any]], Any]] = {
            **{name: getattr(self, f"_{name}") for name in OPERATIONS},
            "table": lookout.table,
            "arm": lookout.arm,
            "watch": lookout.watch,
            "idle": lookout.idle,
        }

    def knows(self, op: str) -> bool:
        """Whether this is a question for it."""
        return op in self._operations

    def answer(self, op: str, body: dict[str, Any]) -> tuple[bytes, list[torch.Tensor]]:
        """Carry out one request: JSON, and tensors on the host that follow it."""
        if op not in LOOKED_AT:
            self.memory.end_looking()
        with torch.device(self.memory.device), torch.no_grad():
            found = self._carried_out(op, body)
            self.memory.settle()
        if isinstance(found, torch.Tensor):
            return json.dumps(found.numel()).encode(), [found]
        return found if isinstance(found, tuple) else (json.dumps(found).encode(), [])

    def _carried_out(self, op: str, body: dict[str, Any]) -> Any:
        """A second time, once what can be made again was given up, where the device's memory was not enough."""
        try:
            return self._operations[op](body)
        except torch.OutOfMemoryError:
            if op in LOOKED_AT:
                raise
        self._forget({})  # not in the handler: an error keeps what was there when it was raised
        return self._operations[op](body)

    def _create(self, body: dict[str, Any]) -> list[int]:
        region = self.memory.create(body["size"])
        self._regions[body["region"]] = region
        return [region.descriptor, region.size]

    def _release(self, body: dict[str, Any]) -> None:
        for number in body["regions"]:
            region = self._regions.pop(number, None)
            self._lookout.forget(number)
            if region is not None:
                self.memory.release(region)

    # What contenders are given.

    def _memory_of_a_call(self, body: dict[str, Any]) -> dict[str, int]:
        """Bytes that a call of eager takes besides its inputs: ``peak``, at most (0 where there is no device), and
        ``held``, while its answer is kept, which may lie in more memory than it has elements (``mse_loss``).
        """
        inputs = self.reference.cases(body["seed"])[body["case"]]
        on_device = self.memory.device.type == "cuda"
        before = 0
        if on_device:
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
        leaves = self.reference.run(inputs, own=True)[1]  # contenders have no copy of them either
        peak = int(torch.cuda.max_memory_allocated() - before) if on_device else 0
        others = list(self.reference.model.state_dict().values())
        encode(inputs, others)
        return {"peak": peak, "held": held_bytes(leaves, others)}

    def _make(self, body: dict[str, Any]) -> tuple[bytes, list[torch.Tensor]]:
        return self._made(body["case"], body["seed"], body["rows"], body["dress"])[0], []

    def _draw(self, body: dict[str, Any]) -> tuple[bytes, list[torch.Tensor]]:
        facts = [json.loads(self._drawn(body["case"], seed)[0])[0] for seed in body["seeds"]]
        return json.dumps(facts).encode(), []

    def _made(self, case: str, seed: int, rows: int | None, dress: str | None) -> Made:
        key = case, seed, rows, dress
        if ("made", *key) not in self._shelf:
            self._shelf.drop(("given", *key))
        return self._shelf.get(("made", *key), lambda: self.reference.make(*key))

    def _tensor_made(self, key: list[Any], index: int) -> torch.Tensor:
        """Inputs whose answers had to be given up are drawn alone: the answers may be what there is no room for."""
        case, seed, rows, dress = key
        if ("made", *key) not in self._shelf and dress is None:
            give = self.reference.give
            given = self._shelf.get(("given", *key), lambda: (b"", give(case, seed, rows)))[1]
            if index < len(given):
                return given[index]
        return self._made(case, seed, rows, dress)[1][index]

    def _drawn(self, case: str, seed: int) -> Made:
        return self._shelf.get(("drawn", case, seed), lambda: self.reference.draw(case, [seed]))

    def _tensor(self, ref: Ref) -> torch.Tensor:
        """The bytes a ref names, flat."""
        kind, *rest = ref
        if kind == "region":
            number, offset, size = rest
            found = self._regions[number].bytes[offset : offset + size]
            return found if offset % ALIGNED == 0 else found.clone()  # a candidate may name any address
        if kind == "made":
            *key, index = rest
            found = self._tensor_made(key, index)
        elif kind == "drawn":
            *key, index = rest
            found = self._drawn(*key)[1][index]
        elif kind == "mutant":
            found = self._mutant[rest[0]]
        else:
            *key, index = rest
            found = self._wavered(*key)[1][index]
        return found.reshape(-1).view(torch.uint8)

    def _fill(self, body: dict[str, Any]) -> None:
        """Put values and guard zones at their places in a region. ``look_s``: from before that until ``arm``, and for
        so many seconds at least, somebody looks whether the device is idle; 0 for nobody.
        """
        # All of it now: what has to be made anew takes long, and may wait for all that runs on the device.
        values = [(offset, self._tensor(ref)) for offset, ref in body["values"]]
        zones = list(_zones(body["guards"]))
        bytes_ = self._regions[body["region"]].bytes
        self.memory.cool()
        if body["look_s"] and not self._is_practised:  # kernels are loaded when they are first launched
            _put(bytes_, values, zones)
            self._flush(body)
            self._is_practised = True
        self.memory.settle()
        if body["look_s"]:
            self.memory.begin_looking(body["look_s"])
        _put(bytes_, values, zones)

    def _changed(self, body: dict[str, Any]) -> str | None:
        """``guard`` or ``input`` if what ``fill`` put there is not there any more."""
        bytes_ = self._regions[body["region"]].bytes
        if any(bool((bytes_[places] != byte).any()) for byte, places in _zones(body["guards"])):
            return "guard"
        for offset, ref in body["values"]:
            value = self._tensor(ref)
            if not torch.equal(bytes_[offset : offset + value.numel()], value):
                return "input"
        return None

    def _spoil(self, body: dict[str, Any]) -> None:
        bytes_ = self._regions[body["region"]].bytes
        for offset, ref in body["values"]:
            bytes_[offset : offset + self._tensor(ref).numel()].bitwise_not_()

    def _flush(self, body: dict[str, Any]) -> None:
        """Write over the device's cache."""
        if self._cold is None:
            size = 1 << 20
            if self.memory.device.type == "cuda":
                size = COLD * torch.cuda.get_device_properties(self.memory.device).L2_cache_size
            self._cold = torch.zeros(size, dtype=torch.uint8)
        self._cold.fill_(1)

    # What was answered.

    def _digest(self, body: dict[str, Any]) -> list[str]:
        """Of each ref, a sum that different tensors share by chance once in 2^31 at most; its weights are secret."""
        return [self._digest_of(self._tensor(ref)) for ref in body["refs"]]

    def _digest_of(self, flat: torch.Tensor) -> str:
        whole = flat.numel() // 8 * 8
        total = flat.numel()
        if whole:
            words = flat[:whole]
            words = words.view(torch.int64) if words.data_ptr() % 8 == 0 else words.clone().view(torch.int64)
            for start in range(0, words.numel(), WEIGHTS):
                part = words[start : start + WEIGHTS]
                low, high = self._secret()[:, : len(part)]
                # Halves of words: products wrap, and of a whole word's top bit two changes would cancel.
                found = int(((part & LOW_HALF) * low + (part >> 32) * high).sum())
                total = (total * MIXER + found) % (1 << 64)
        rest = bytes(flat[whole:].tolist())
        return f"{total:016x}{rest.hex()}"

    def _secret(self) -> torch.Tensor:
        """The same for all digests, or equal tensors would differ."""
        if self._weights is None:
            lot = torch.Generator(self.memory.device)
            lot.seed()
            self._weights = torch.randint(-(1 << 62), 1 << 62, (2, WEIGHTS), generator=lot) * 2 + 1
        return self._weights

    def _read(self, body: dict[str, Any]) -> torch.Tensor:
        """The beginning of what a ref names."""
        return self._tensor(body["ref"])[: body["size"]].cpu()

    def _expected(self, facts: dict[str, Any]) -> Expected:
        dtype, shape, is_number = facts["leaf"]
        return Expected(
            Leaf(dtype, tuple(shape), is_number),
            self._tensor(facts["oracle"]),
            facts["oracle_dtype"],
            self._tensor(facts["eager"]),
            has_oracle=facts["has_oracle"],
            spared=self._tensor(facts["spared"]) if facts["spared"] else None,
            wavering=[self._tensor(ref) for ref in facts["wavering"]],
        )

    def _compare(self, body: dict[str, Any]) -> dict[str, Any]:
        expected = self._expected(body["expected"])
        got, licence, yardstick = (
            self._tensor(body["got"]),
            Licence(*body["licence"]),
            yardstick_from(body["yardstick"]),
        )
        return asdict(compare(got, expected, licence, yardstick, body["jump"]))

    def _measure(self, body: dict[str, Any]) -> dict[str, Any]:
        return asdict(measure(self._expected(body["expected"])))

    def _wholes(self, body: dict[str, Any]) -> int:
        return wrong_wholes(self._tensor(body["got"]), self._expected(body["expected"]))

    def _finite(self, body: dict[str, Any]) -> bool:
        """Whether all numbers of the oracle's answer and of eager's are finite."""
        expected = self._expected(body["expected"])
        if expected.leaf.dtype not in EPS:
            return True
        raws = ((expected.oracle, expected.oracle_dtype), (expected.eager, expected.leaf.dtype))
        return all(bool(torch.isfinite(part).all()) for pair in chunks(expected.leaf, *raws) for part in pair)

    def _alike(self, body: dict[str, Any]) -> list[bool]:
        """Of each call of a window, whether its answer is as near to a trusted one as it has to be to the oracle's."""
        leaves = [Leaf(dtype, tuple(shape), is_number) for dtype, shape, is_number in body["leaves"]]
        yardsticks = [yardstick_from(item) for item in body["yardsticks"]]
        terms = Terms(Licence(*body["licence"]), leaves, yardsticks, body["has_oracle"], body["excused"])
        return are_alike([tuple(list(map(self._tensor, refs)) for refs in pair) for pair in body["calls"]], terms)

    def _mutate(self, body: dict[str, Any]) -> tuple[bytes, list[torch.Tensor]]:
        text, leaves = mutate(self.reference, body["case"], body["seed"], body["change"], body["what"])
        self._mutant = leaves
        return text, []

    def _waver(self, body: dict[str, Any]) -> tuple[bytes, list[torch.Tensor]]:
        return self._wavered(body["case"], body["seed"], body["rows"], body["dress"], body["step"])[0], []

    def _wavered(self, case: str, seed: int, rows: int | None, dress: str | None, step: int) -> Made:
        return self._shelf.get(
            ("waver", case, seed, rows, dress, step), lambda: self.reference.waver(case, seed, rows, dress, step)
        )

    def _condition(self, body: dict[str, Any]) -> tuple[bytes, list[torch.Tensor]]:
        return self.reference.condition(body["case"], body["seed"], body["rows"], body["dress"]), []

    def _machine(self, body: dict[str, Any]) -> dict[str, Any]:
        return measure_ceilings(self.memory.device, self.memory.settle)

    def _keep(self, body: dict[str, Any]) -> None:
        """How much of the device may be taken by what can be made again."""
        self._shelf.resize(body["bytes"])

    def _forget(self, body: dict[str, Any]) -> None:
        """Give up everything that can be made again."""
        self._shelf.empty()
        if self.memory.device.type == "cuda":
            torch.cuda.empty_cache()


def _put(bytes_: torch.Tensor, values: list[tuple[int, torch.Tensor]], zones: list[tuple[int, torch.Tensor]]) -> None:
    for byte, places in zones:
        bytes_[places] = byte
    for offset, value in values:
        bytes_[offset : offset + value.numel()].copy_(value)


def _zones(guards: list[list[int]]) -> Iterator[tuple[int, torch.Tensor]]:
    """By the byte in them, all places of all zones: one question for hundreds."""
    kinds = {(size, byte) for _, size, byte in guards}
    for size, byte in sorted(kinds):
        starts = torch.tensor([offset for offset, *kind in guards if kind == [size, byte]])
        yield byte, (starts[:, None] + torch.arange(size)).reshape(-1)


def inputs_of(facts: bytes, flats: list[torch.Tensor]) -> list[Any]:
    """The inputs of a set that was drawn, as a model takes them."""
    (item,) = json.loads(facts)
    packs = [Packed.from_json(data) for data in item["tensors"]]
    return list(decode(item["spec"], [view(packed, flat) for packed, flat in zip(packs, flats, strict=True)]))


def yardstick_from(data: list[float]) -> Yardstick:
    """Inverse of what the controller sends."""
    scale, reference, worst, norm = data
    return Yardstick(scale, reference, ErrorFacts(worst, norm))
