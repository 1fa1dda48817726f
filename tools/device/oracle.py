"""The oracle of a device: what it draws and answers stays there, and is known here by name."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tools.device.bank import Bank, DeviceBytes
from tools.device.comparing import DeviceNumbers
from tools.errors import RequestError
from tools.harness.wire import ITEM_BYTES, structure_digest
from tools.inputs import Draw, InputSet
from tools.oracle import MAX_CHANGES, Constructor, Oracle, draw_sizes, expected_from, leaf_from, leaf_sizes, set_sizes
from tools.problem import CaseFacts, Description, Problem
from tools.worker import Worker

if TYPE_CHECKING:
    from tools.examining import Examiner

WINDOW_BYTES = 32 << 30
"""Inputs and outputs of one window, together; two calls at least. What an H200's memory moves in 8 ms: of windows of
2.3 ms what they take besides was no small part, and two runs of the same kernel differed by 4 to 7 %
(docs/results/2026-11-29-gpu-first-look.md).
"""
MOST_CALLS = 128
"""Of a window: each costs its draw and its comparison, a millisecond together."""
SLACK_BYTES = 1 << 30
"""What libraries take for themselves: workspaces of products and convolutions."""
POOLS = 3
"""Contenders that have memory at one time: a candidate, and two baselines; one of those that are warmed is dropped
before the next is, if it is clearly slower.
"""
USABLE = 0.97
"""Of a device; contexts take the rest."""
SHELF_SHARE = 0.15
"""Of a device, for what the oracle keeps; as much again as it needs to, where there is room."""


@dataclass(frozen=True)
class Need:
    """What one call of a case takes, in bytes."""

    given: int
    answered: int
    held: int
    """Of memory, by eager's answers."""
    peak: int
    """Of eager, answers included."""
    tensors: int

    def inputs(self, calls: int) -> int:
        """Of so many calls, with zones and steps between them."""
        return calls * (self.given + self.tensors * 8192) + (1 << 20)

    def pool(self, calls: int) -> int:
        """For what a contender makes in so many calls. torch's allocator gives out pages of 2 MiB and leaves gaps."""
        return int(1.1 * calls * (self.held + (1 << 16))) + self.peak - self.held + (64 << 20)

    def kept(self, calls: int) -> int:
        """For what the oracle should not have to make twice: what a window is drawn, and one set with its answers,
        eager's and the one in float64.
        """
        return calls * self.given + self.given + 3 * self.answered

    def making(self) -> int:
        """For what leads to the answer in float64, and for comparing with it."""
        return 2 * self.given + 2 * (self.peak - self.answered) + min(6 << 30, 16 * self.answered)


class DeviceOracle(Oracle):
    """One trusted worker that imported the problem file, on a device."""

    def __init__(
        self,
        start: Callable[[], Worker],
        problem: Problem,
        path: str,
        memory_bytes: int,
        timeout_s: float,
    ) -> None:
        """``memory_bytes``: of the device."""
        # What it refuses could not even be described; whether all contenders fit is reckoned in ``prepare``.
        super().__init__(start, problem, path, int(memory_bytes * USABLE), timeout_s)
        self.bank = Bank(self._worker)
        self.numbers = self.device_numbers = DeviceNumbers(self.bank)
        self._device_bytes = memory_bytes

    def open(self, parameter_seed: int) -> Constructor:
        """See ``Oracle``. What is constructed from it is given memory of the device."""
        self.bank.worker = self._worker
        self.constructor = replace(super().open(parameter_seed), bank=self.bank)
        return self.constructor

    def prepare(self, description: Description) -> None:
        """Make room for what contenders of this problem are given, and reckon what they need.

        Raises RequestError if the device is too small.
        """
        state = sum(len(item) for item in self.constructor.payload) if self.constructor else 0
        fixed = 2 * state + min(SLACK_BYTES, self._device_bytes // 64)
        needs = [self._need(case) for case in description.cases]
        largest = max(need.given + need.answered for need in needs)
        calls = max(2, min(MOST_CALLS, WINDOW_BYTES // max(1, largest)))
        while True:
            inputs, pool = max(need.inputs(calls) for need in needs), max(need.pool(calls) for need in needs) + fixed
            kept, making = max(need.kept(calls) for need in needs), max(need.making() for need in needs)
            needed = 2 * inputs + POOLS * pool + kept + making
            left = int(self._device_bytes * USABLE) - needed
            if left >= 0:
                break
            if calls == 2:
                raise RequestError(
                    f"{self._problem.name}.py: two calls of every contender need {needed / 2**30:.3g} GiB of the "
                    f"device's {self._device_bytes / 2**30:.3g}: make its inputs smaller"
                )
            calls = max(2, calls * 3 // 4)
        self.bank.ask("keep", {"bytes": kept + min(left, int(self._device_bytes * SHELF_SHARE))})
        self.bank.calls, self.bank.pool_bytes = calls, pool
        self.bank.inputs = self.bank.create(inputs)

    def _need(self, case: CaseFacts) -> Need:
        given, answered = bytes_of(case)
        taken = self.bank.ask("memory_of_a_call", {"case": case.name, "seed": secrets.randbits(62)})
        held = max(int(taken["held"]), answered)
        return Need(given, answered, held, max(int(taken["peak"]), held), len(case.inputs))

    def make(
        self, case: str, rows: int | None = None, dress: str | None = None, seed: int | None = None
    ) -> InputSet | None:
        """See ``Oracle.make``."""
        seed = secrets.randbits(62) if seed is None else seed
        facts, _ = self._ask("make", {"case": case, "seed": seed, "rows": rows, "dress": dress})
        if "refused" in facts:
            return None
        key = ["made", case, seed, rows, dress]
        raws = self._named(key, set_sizes(facts))
        count = len(facts["tensors"])
        return InputSet(
            case,
            facts["spec"],
            tuple(facts["tensors"]),
            tuple(raws[:count]),
            seed,
            structure_digest(facts["structure"]),
            expected_from(facts, raws[count:]),
            dress,
            rows,
            facts["views"],
        )

    def draw(self, case: str, count: int) -> list[Draw]:
        """See ``Oracle.draw``."""
        seeds = [secrets.randbits(62) for _ in range(count)]
        facts, _ = self._ask("draw", {"case": case, "seeds": seeds})
        return [
            Draw(
                case,
                item["spec"],
                tuple(item["tensors"]),
                tuple(self._named(["drawn", case, int(item["seed"])], draw_sizes([item]))),
                int(item["seed"]),
            )
            for item in facts
        ]

    def mutate(self, inputs: InputSet) -> Iterator[tuple[str, str, list[Any]]]:
        """See ``Oracle.mutate``."""
        changes, _ = self._ask("changes", {"case": inputs.case, "seed": inputs.seed})
        for change, what in changes[:MAX_CHANGES]:
            body = {"case": inputs.case, "seed": inputs.seed, "change": change, "what": what}
            facts, _ = self._ask("mutate", body)
            if "refused" not in facts:
                yield change, what, self._named(["mutant"], leaf_sizes(facts))

    def wavering(self, inputs: InputSet, step: int) -> dict[int, tuple[Any, ...]]:
        """See ``Oracle.wavering``."""
        key = [inputs.case, inputs.seed, inputs.rows, inputs.dress, step]
        body = dict(zip(("case", "seed", "rows", "dress", "step"), key, strict=True))
        facts, _ = self._ask("waver", body)
        raws = self._named(["wavering", *key], (leaf_from(item).size_bytes for _, item in facts))
        found: dict[int, tuple[Any, ...]] = {}
        for (index, _), raw in zip(facts, raws, strict=True):
            found[index] = (*found.get(index, ()), raw)
        return found

    def resemble(
        self,
        examiner: Examiner,
        form: InputSet,
        answers: Sequence[Sequence[Any]],
        others: Sequence[Sequence[Any]],
    ) -> list[bool]:
        """See ``DeviceNumbers.alike``."""
        if not answers:
            return []
        yardsticks = examiner.history.yardsticks(form, self.conditioning(form))
        excused = examiner.excused(form)
        return self.device_numbers.alike(form, answers, others, examiner.licence, yardsticks, excused)

    def _ask(self, op: str, body: dict[str, Any], sizes_of: Any = lambda facts: ()) -> tuple[Any, list[bytearray]]:
        with self.bank.turn():
            return super()._ask(op, body, sizes_of)

    def flush(self) -> None:
        """Make the device's cache cold."""
        self.bank.ask("flush", {})

    def _named(self, key: list[Any], sizes: Iterator[int]) -> list[Any]:
        return [DeviceBytes(self.bank, [*key, index], size) for index, size in enumerate(sizes)]

    def close(self) -> None:
        """Stop the worker, and let go of the device's memory."""
        super().close()
        self.bank.close()


def bytes_of(case: CaseFacts) -> tuple[int, int]:
    """Of a call's inputs, and of its outputs."""

    def size(tensors: Any) -> int:
        total = 0
        for item in tensors:
            if isinstance(item, str):
                continue
            count = 1
            for length in item.shape:
                count *= length
            total += count * ITEM_BYTES[item.dtype]
        return total

    return size(case.inputs), size(case.outputs)
