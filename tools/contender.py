"""A model in a worker, as the judge calls it: give it inputs, call it cold, take its output, believe nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tools.errors import JudgeUnavailable
from tools.harness.wire import FLAG_MUTATED, Leaf, Record
from tools.oracle import Constructor, InputSet
from tools.verdict import CheckResult, ErrorFacts
from tools.worker import Worker, WorkerFailed


class Rejected(Exception):
    """The candidate is at fault; ends its judgement."""

    def __init__(
        self, reason: str, detail: str, log: str = "", facts: tuple[ErrorFacts | None, ...] = (None, None, None)
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.log = log
        self.facts = facts
        """The candidate's error, eager's, and the bound."""

    def to_check(self, seeds: int) -> CheckResult:
        """As the result of a failed check."""
        error, eager_error, bound = self.facts
        return CheckResult(
            passed=False,
            reason=self.reason,
            detail=self.detail,
            log=self.log,
            error=error,
            eager_error=eager_error,
            bound=bound,
            seeds=seeds,
        )


@dataclass(frozen=True)
class Call:
    """One timed call, by two clocks."""

    claimed_s: float
    """What the worker says, a call."""
    window_s: float
    """From sending the order to receiving the record, by the controller's clock, a call."""


class Contender:
    """A loaded model. ``blame`` says what its failures mean: a rejection, or a fault of ours."""

    def __init__(self, name: str, worker: Worker, blame: Callable[[WorkerFailed], Exception]) -> None:
        self.name = name
        self._worker = worker
        self._blame = blame
        self._repetitions = 1

    def load(self, path: str, constructor: Constructor, *, with_state: bool = True) -> None:
        """Import the candidate's file and construct ``ModelNew``."""
        count = len(constructor.tensors) if with_state else constructor.init_tensors
        body = {
            "path": path,
            "class": "ModelNew",
            "seed": constructor.seed,
            "init": constructor.init,
            "tensors": constructor.tensors[:count],
            "state": constructor.state if with_state else {},
        }
        self._ask("load", body, constructor.payload[:count])

    def put(self, slot: str, inputs: InputSet) -> None:
        """Give it a set."""
        body = {"slot": slot, "spec": inputs.spec, "tensors": inputs.packed}
        self._ask("put", body, inputs.inputs)

    def reserve(self, size_bytes: int) -> None:
        """Have so much memory mapped and touched before anything is timed; once is enough."""
        self._ask("reserve", {"bytes": size_bytes})

    def drop(self, slots: Sequence[str]) -> None:
        """Make it forget sets, copies and outputs."""
        self._ask("drop", {"slots": list(slots)})

    def arrange(self, slot: str, buffers: Sequence[str] = ("0",), *, flush: bool = False) -> None:
        """Have copies made in the named buffers, one for each repetition, and the caches made cold."""
        self._repetitions = len(buffers)
        self._ask("arrange", {"slot": slot, "buffers": list(buffers), "flush": flush})

    def go(self) -> Call:
        """One call on each arranged copy."""
        begin = time.perf_counter()
        record = self._ask("go")
        window = time.perf_counter() - begin
        return Call(record.elapsed_ns / 1e9 / self._repetitions, window / self._repetitions)

    def ship(self, inputs: InputSet, which: int = -1, *, compare: bool = False) -> tuple[list[bytearray], bool]:
        """A kept output's bytes, and whether the call changed its inputs (told only if ``compare``).

        The bytes read are those the oracle says there must be. Raises Rejected for any other claim.
        """
        record = self._ask("ship", {"which": which, "compare": compare})
        self._require_form(record, inputs)
        try:
            outputs = [self._worker.take(item.leaf.size_bytes) for item in inputs.expected]
        except WorkerFailed as error:
            raise self._blame(error) from error
        return outputs, bool(record.flags & FLAG_MUTATED)

    def _require_form(self, record: Record, inputs: InputSet) -> None:
        wanted = [item.leaf for item in inputs.expected]
        if record.structure != inputs.structure or len(record.leaves) != len(wanted):
            self.close()
            raise Rejected("wrong_output.structure", "the output is nested otherwise than the reference's")
        for index, (claim, leaf) in enumerate(zip(record.leaves, wanted, strict=True)):
            kind = _difference(claim, leaf)
            if kind:
                self.close()
                raise Rejected(f"wrong_output.{kind}", f"output {index} is {claim}; the reference gives {leaf}")

    def _ask(self, op: str, body: dict[str, object] | None = None, payload: Sequence[bytearray] = ()) -> Record:
        try:
            return self._worker.ask(op, body, payload)
        except WorkerFailed as error:
            raise self._blame(error) from error

    def log(self) -> str:
        """End of what it wrote to standard error."""
        return self._worker.log()

    def close(self) -> None:
        """Kill its worker."""
        self._worker.close()


def _difference(claim: Leaf, wanted: Leaf) -> str | None:
    if claim.shape != wanted.shape:
        return "shape"
    if claim.dtype != wanted.dtype:
        return "dtype"
    return "type" if claim.is_number != wanted.is_number else None


def reject(error: WorkerFailed) -> Rejected:
    """What a candidate's failure means."""
    return Rejected(error.reason, error.detail, error.log)


def blame_ourselves(name: str) -> Callable[[WorkerFailed], Exception]:
    """What a baseline's failure means."""
    return lambda error: JudgeUnavailable(f"the {name} process failed: {error.detail}")
