"""Comparing a contender's outputs with the oracle's: licensed numbers, no stale, shared or spoilt tensors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tools.contender import Contender, Rejected
from tools.licence import NO_ERROR, Comparison, Licence, compare
from tools.oracle import InputSet
from tools.verdict import CheckResult, ErrorFacts

Conditioning = Callable[[str, int], tuple[ErrorFacts, ...]]


class EagerHistory:
    """Eager's largest error by case and output so far.

    One seed's error may be small by luck, above all for a single number; the bound does not follow luck.
    """

    def __init__(self) -> None:
        self._worst: dict[tuple[str, int], ErrorFacts] = {}
        self._lock = threading.Lock()

    def get(self, case: str, index: int) -> ErrorFacts:
        """Largest seen, zeros at first."""
        return self._worst.get((case, index), NO_ERROR)

    def add(self, case: str, index: int, error: ErrorFacts) -> None:
        """Remember one more."""
        with self._lock:
            before = self.get(case, index)
            self._worst[case, index] = ErrorFacts(
                worst=max(before.worst, error.worst), norm=max(before.norm, error.norm)
            )


@dataclass
class Examiner:
    """Applies the licence, and keeps the closest call for the verdict."""

    licence: Licence
    conditioning: Conditioning
    history: EagerHistory
    closest: Comparison | None = field(default=None, init=False)
    _closeness: float = field(default=-1.0, init=False)

    def examine(self, outputs: Sequence[bytearray], inputs: InputSet) -> Comparison | None:
        """None if every leaf is licensed, else the first comparison that failed."""
        conditioning = self.conditioning(inputs.case, len(inputs.expected))
        for index, (raw, expected) in enumerate(zip(outputs, inputs.expected, strict=True)):
            found = compare(raw, expected, self.licence, conditioning[index], self.history.get(inputs.case, index))
            if found.eager_error is not None:
                self.history.add(inputs.case, index, found.eager_error)
            if not found.passed:
                return found
            self._keep(found)
        return None

    def _keep(self, found: Comparison) -> None:
        if found.error is None:
            return
        closeness = found.error.worst
        if found.bound is not None and found.bound.worst:
            closeness /= found.bound.worst
        if closeness > self._closeness:
            self.closest, self._closeness = found, closeness

    def require(
        self, outputs: Sequence[bytearray], inputs: InputSet, others: Sequence[InputSet] = (), kind: str = ""
    ) -> None:
        """Raises Rejected unless the output is licensed; ``cheat.output_reuse`` if it answers another set."""
        found = self.examine(outputs, inputs)
        if found is None:
            return
        facts = (found.error, found.eager_error, found.bound)
        same_form = [item for item in others if [e.leaf for e in item.expected] == [e.leaf for e in inputs.expected]]
        for other in same_form:
            probe = Examiner(self.licence, self.conditioning, self.history)
            if other is not inputs and probe.examine(outputs, other) is None and differ(inputs, other):
                detail = "the output is right for inputs of an earlier call, not for those it was given"
                raise Rejected("cheat.output_reuse", detail, facts=facts)
        raise Rejected(kind or found.reason, found.detail, facts=facts)

    def result(self, seeds: int) -> CheckResult:
        """Of a check that passed."""
        found = self.closest
        return CheckResult(
            passed=True,
            error=found.error if found else None,
            eager_error=found.eager_error if found else None,
            bound=found.bound if found else None,
            seeds=seeds,
        )


def differ(one: InputSet, other: InputSet) -> bool:
    """Whether two sets have different answers at all (a reference may be constant)."""
    return any(a.eager != b.eager for a, b in zip(one.expected, other.expected, strict=True))


def check_contender(
    contender: Contender, sets: Sequence[InputSet], examiner: Examiner, *, may_mutate: bool, prefix: str = ""
) -> None:
    """Check on all ``sets`` (two or more), which stay with the contender as ``prefix`` + index.

    The first output is taken only after a second call on other inputs, and the first set is then asked for
    again in the storage that held the second: a static output buffer and an answer remembered by address both
    show. Raises Rejected.
    """
    for index, inputs in enumerate(sets):
        contender.put(f"{prefix}{index}", inputs)
    first, second = sets[0], sets[1]
    contender.arrange(f"{prefix}0", ["0"])
    contender.go()
    contender.arrange(f"{prefix}1", ["1"])
    contender.go()
    held, _ = contender.ship(first, -2)
    fresh, mutated = contender.ship(second, -1, compare=True)
    if mutated and not may_mutate:
        raise Rejected("input_mutation", "it changes its inputs; the reference does not")
    examiner.require(fresh, second, sets)
    if examiner.examine(held, first) is not None:
        _explain_held(contender, first, examiner, sets, held, prefix)
    contender.arrange(f"{prefix}0", ["1"])
    contender.go()
    again, _ = contender.ship(first)
    examiner.require(again, first, sets)
    for index in range(2, len(sets)):
        contender.arrange(f"{prefix}{index}", ["0"])
        contender.go()
        outputs, _ = contender.ship(sets[index])
        examiner.require(outputs, sets[index], sets)


def _explain_held(
    contender: Contender,
    first: InputSet,
    examiner: Examiner,
    sets: Sequence[InputSet],
    held: Sequence[bytearray],
    prefix: str,
) -> None:
    """An output was wrong after a later call: was it ever right? Always raises Rejected."""
    contender.arrange(f"{prefix}0", ["0"])
    contender.go()
    now, _ = contender.ship(first)
    if examiner.examine(now, first) is None:
        raise Rejected("aliased_output", "a later call overwrites the output of an earlier one")
    examiner.require(held, first, sets)
