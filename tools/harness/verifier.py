"""The oracle of a device: it puts inputs into memory that contenders share with it, and compares what they answer.

What a host's controller does with bytes is done here with tensors that never leave the device. The controller names
them (``Ref``), decides what is compared with what, and gets numbers. No code of a candidate's runs in this process, and
it believes nothing that lies in shared memory but the values. Runs inside a sandbox.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import torch

from tools.harness.altering import mutate
from tools.harness.arrays import EPS, chunks
from tools.harness.ceilings import measure_ceilings
from tools.harness.device_memory import DeviceMemory, Region
from tools.harness.licence import Expected, Licence, compare, is_near, measure
from tools.harness.reference import Reference
from tools.harness.shelf import Made, Shelf
from tools.harness.tensors import Packed, decode, leaf_of, view
from tools.harness.wholes import wrong_wholes
from tools.harness.wire import ARENA_TABLE, MAX_CALLS, MAX_LEAVES, Leaf
from tools.harness.yardstick import ErrorFacts, Yardstick

Ref = list[Any]
"""Names a tensor: ``["made", case, seed, rows, dress, index]``, ``["drawn", case, seed, index]``,
``["mutant", index]``, ``["wavering", case, seed, rows, dress, index]`` or ``["region", number, offset, size]``.
"""

ALIGNED = 16
WEIGHTS = 1 << 22
LOW_HALF = 0xFFFFFFFF
SAMPLES = 8192
"""Bytes of a window's outputs that are read before its clock stops."""
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
        self._tables: dict[int, int] = {}
        self._mutant: list[torch.Tensor] = []
        self._cold: torch.Tensor | None = None
        self._sampled: list[tuple[int, torch.Tensor, torch.Tensor]] = []
        self._chances = torch.zeros(2, 0, dtype=torch.float64)
        self._resting: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        """By region, what was read all over it when its last window ended."""
        self._weights: torch.Tensor | None = None

    def answer(self, op: str, body: dict[str, Any]) -> tuple[bytes, list[torch.Tensor]]:
        """Carry out one request: JSON, and tensors on the host that follow it."""
        asked: Callable[[dict[str, Any]], Any] = getattr(self, "_" + op)
        with torch.device(self.memory.device), torch.no_grad():
            found = asked(body)
            self.memory.settle()
        if isinstance(found, torch.Tensor):
            return json.dumps(found.numel()).encode(), [found]
        return found if isinstance(found, tuple) else (json.dumps(found).encode(), [])

    def _create(self, body: dict[str, Any]) -> list[int]:
        region = self.memory.create(body["size"])
        self._regions[body["region"]] = region
        return [region.descriptor, region.size]

    def _release(self, body: dict[str, Any]) -> None:
        for number in body["regions"]:
            region, table = self._regions.pop(number, None), self._tables.pop(number, None)
            self._resting.pop(number, None)
            self._sampled = [item for item in self._sampled if item[0] != number]
            if table is not None:
                os.close(table)
            if region is not None:
                self.memory.release(region)

    # What contenders are given.

    def _peak(self, body: dict[str, Any]) -> int:
        """Bytes that a call of eager takes at most, besides its inputs."""
        inputs = self.reference.cases(body["seed"])[body["case"]]
        if self.memory.device.type != "cuda":
            return 0
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        self.reference.run(inputs)
        return int(torch.cuda.max_memory_allocated() - before)

    def _make(self, body: dict[str, Any]) -> tuple[bytes, list[torch.Tensor]]:
        return self._made(body["case"], body["seed"], body["rows"], body["dress"])[0], []

    def _draw(self, body: dict[str, Any]) -> tuple[bytes, list[torch.Tensor]]:
        facts = [json.loads(self._drawn(body["case"], seed)[0])[0] for seed in body["seeds"]]
        return json.dumps(facts).encode(), []

    def _made(self, case: str, seed: int, rows: int | None, dress: str | None) -> Made:
        return self._shelf.get(("made", case, seed, rows, dress), lambda: self.reference.make(case, seed, rows, dress))

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
            found = self._made(*key)[1][index]
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
        """Put values and guard zones at their places in a region."""
        bytes_ = self._regions[body["region"]].bytes
        for byte, places in _zones(body["guards"]):
            bytes_[places] = byte
        for offset, ref in body["values"]:
            value = self._tensor(ref)
            bytes_[offset : offset + value.numel()].copy_(value)

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

    # When a window closes.

    def _table(self, body: dict[str, Any]) -> None:
        """Open the table in which the contender that owns a region will say where its outputs lie."""
        # Never mapped: who cuts the file short would end this process.
        self._tables[body["region"]] = os.open(body["path"], os.O_RDONLY | os.O_CLOEXEC)

    def _addresses(self, region: int, most: int) -> list[int]:
        raw = os.pread(self._tables[region], ARENA_TABLE.size * (1 + most), 0)
        if len(raw) < ARENA_TABLE.size:
            return []
        (count,) = ARENA_TABLE.unpack_from(raw)
        count = min(count, most, len(raw) // ARENA_TABLE.size - 1)
        return [ARENA_TABLE.unpack_from(raw, ARENA_TABLE.size * (1 + index))[0] for index in range(count)]

    def _arm(self, body: dict[str, Any]) -> bool:
        """Get ready for ``watch``; whether the contender, which is held, has said something already."""
        self._sampled = []
        self._chances = torch.rand(2, SAMPLES, dtype=torch.float64)
        return bool(self._addresses(body["region"], 1))

    def _watch(self, body: dict[str, Any]) -> dict[str, Any]:
        """Wait until the contender says where its outputs lie, and read some bytes of them, chosen by lot before.

        ``at``: when that was done, by ``time.perf_counter``; ``addresses``: what it said then, and nothing that it says
        later counts. What a contender has left to the device to finish is either done by then, and so on its clock, or
        seen not to be there. It is looked for without pause: a message would take as long as a small operator.
        """
        number = body["region"]
        deadline = time.monotonic() + body["for_s"]
        while not self._addresses(number, 1):
            if time.monotonic() > deadline:
                return {"at": time.perf_counter(), "addresses": []}
            os.sched_yield()  # the contender may need this processor
        found = self._addresses(number, MAX_CALLS * MAX_LEAVES)
        self._sample(found, body["sizes"], body["bases"])
        self.memory.settle()
        seen = time.perf_counter()
        self._look_at_rest(number)
        return {"at": seen, "addresses": found}

    def _sample(self, addresses: list[int], sizes: list[int], bases: list[list[int]]) -> None:
        """Read bytes of what lies at these addresses. ``bases``: number and address of the regions they may be in."""
        for number, base in bases:
            region = self._regions[number]
            pieces = [
                (address - base, size)
                for address, size in zip(addresses, sizes, strict=False)
                if size and 0 <= address - base <= region.size - size
            ]
            if pieces:
                table = torch.tensor(pieces)
                which = (self._chances[0] * len(pieces)).long()
                places = table[which, 0] + (self._chances[1] * table[which, 1]).long()
                self._sampled.append((number, places, region.bytes[places]))

    def _look_at_rest(self, number: int) -> None:
        """Read bytes all over a region, where nobody knows: what is prepared while no clock runs shows as a change."""
        bytes_ = self._regions[number].bytes
        anywhere = (torch.rand(SAMPLES * 8, dtype=torch.float64) * len(bytes_)).long()
        self._resting[number] = anywhere, bytes_[anywhere]

    def _idle(self, body: dict[str, Any]) -> list[Any]:
        """For how long at most the device was somebody else's in a stretch of time, and whether what ``watch`` read of
        the outputs is still there.
        """
        gap_s = self.memory.longest_gap_s(body["for_s"])
        same = all(bool((self._regions[number].bytes[places] == was).all()) for number, places, was in self._sampled)
        return [gap_s, same]

    def _rested(self, body: dict[str, Any]) -> bool:
        """Whether what ``watch`` read all over the region is still there."""
        places, before = self._resting[body["region"]]
        return bool((self._regions[body["region"]].bytes[places] == before).all())

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
        """Of each call of a window, whether its answer is as near to eager's as it would have to be to the oracle's."""
        licence = Licence(*body["licence"])
        yardsticks = [yardstick_from(item) for item in body["yardsticks"]]
        found = []
        for seed, refs in body["calls"]:
            facts, flats = self._drawn(body["case"], seed)
            leaves = [leaf_of(value, self.memory.device)[1] for value in self.reference.run(inputs_of(facts, flats))[1]]
            answers = [self._tensor(ref) for ref in refs]
            found.append(
                len(leaves) == len(answers)
                and all(
                    self._is_alike(mine, theirs.reshape(-1), licence, yardstick, body["has_oracle"])
                    for mine, theirs, yardstick in zip(answers, leaves, yardsticks, strict=True)
                )
            )
        return found

    def _is_alike(
        self, mine: torch.Tensor, theirs: torch.Tensor, licence: Licence, yardstick: Yardstick, has_oracle: bool
    ) -> bool:
        leaf, raw = leaf_of(theirs, self.memory.device)[0], theirs.view(torch.uint8)
        if mine.numel() != raw.numel():
            return False
        stand_in = Expected(leaf, raw, leaf.dtype, raw, has_oracle=has_oracle)
        if licence.precision == "native" and is_near(mine, raw, stand_in, yardstick):
            return True
        return compare(mine, stand_in, licence, yardstick).passed

    def _mutate(self, body: dict[str, Any]) -> tuple[bytes, list[torch.Tensor]]:
        text, leaves = mutate(self.reference, body["case"], body["seed"], body["change"], body["what"])
        self._mutant = leaves
        return text, []

    def _waver(self, body: dict[str, Any]) -> tuple[bytes, list[torch.Tensor]]:
        return self._wavered(body["case"], body["seed"], body["rows"], body["dress"])[0], []

    def _wavered(self, case: str, seed: int, rows: int | None, dress: str | None) -> Made:
        return self._shelf.get(
            ("waver", case, seed, rows, dress), lambda: self.reference.waver(case, seed, rows, dress)
        )

    def _condition(self, body: dict[str, Any]) -> tuple[bytes, list[torch.Tensor]]:
        return self.reference.condition(body["case"], body["seed"], body["rows"], body["dress"]), []

    def _machine(self, body: dict[str, Any]) -> dict[str, float]:
        return measure_ceilings(self.memory)

    def _forget(self, body: dict[str, Any]) -> None:
        """Give up everything that can be made again."""
        self._shelf.empty()
        if self.memory.device.type == "cuda":
            torch.cuda.empty_cache()


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
