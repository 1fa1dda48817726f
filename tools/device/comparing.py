"""Comparing what lies on a device: the verifier is asked, and told what it needs to know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tools.device.bank import Bank, Ref, refs_of
from tools.harness.licence import Comparison, Expected, Licence
from tools.harness.wire import Leaf
from tools.harness.yardstick import ErrorFacts, Sample, Yardstick
from tools.inputs import InputSet

if TYPE_CHECKING:
    from tools.harness.arrays import Raw


class DeviceNumbers:
    """Implements ``tools.comparing.Numbers``."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    def compare(
        self, got: Raw, expected: Expected, licence: Licence, yardstick: Yardstick, jump: float = math.inf
    ) -> Comparison:
        """See ``licence.compare``."""
        body = {"got": got.ref, "expected": facts_of(expected), "licence": terms_of(licence), "jump": jump}
        return comparison_from(self._bank.ask("compare", {**body, "yardstick": lengths_of(yardstick)}))

    def measure(self, expected: Expected) -> Sample:
        """See ``licence.measure``."""
        return Sample(**self._bank.ask("measure", {"expected": facts_of(expected)}))

    def is_near(self, got: Raw, other: Raw, expected: Expected, yardstick: Yardstick) -> bool:
        """In doubt, as this is: ``alike`` asks for whole windows."""
        return False

    def wrong_wholes(self, got: Raw, expected: Expected) -> int:
        """See ``wholes.wrong_wholes``."""
        return int(self._bank.ask("wholes", {"got": got.ref, "expected": facts_of(expected)}))

    def are_finite(self, expected: Expected) -> bool:
        """Whether all numbers of the oracle's answer and of eager's are."""
        return bool(self._bank.ask("finite", {"expected": facts_of(expected)}))

    def alike(
        self,
        form: InputSet,
        answers: Sequence[Sequence[Any]],
        others: Sequence[Sequence[Any]],
        licence: Licence,
        yardsticks: Sequence[Yardstick],
        excused: Sequence[int],
    ) -> list[bool]:
        """Of each call, whether its answer is as near to another as it would have to be to the oracle's. ``excused``:
        of each leaf of integers, how many may differ.
        """
        calls = [[refs_of(mine), refs_of(theirs)] for mine, theirs in zip(answers, others, strict=True)]
        body = {
            "calls": calls,
            "licence": terms_of(licence),
            "yardsticks": [lengths_of(item) for item in yardsticks],
            "leaves": [leaf_facts(item.leaf) for item in form.expected],
            "has_oracle": all(item.has_oracle for item in form.expected),
            "excused": list(excused),
        }
        return [bool(item) for item in self._bank.ask("alike", body)]


def facts_of(expected: Expected) -> dict[str, Any]:
    """As the verifier reads it."""
    leaf = expected.leaf
    wavering: list[Ref] = refs_of(expected.wavering)
    return {
        "leaf": leaf_facts(leaf),
        "oracle": expected.oracle.ref,
        "oracle_dtype": expected.oracle_dtype,
        "eager": expected.eager.ref,
        "has_oracle": expected.has_oracle,
        "spared": expected.spared.ref if expected.spared is not None else None,
        "wavering": wavering,
    }


def leaf_facts(leaf: Leaf) -> list[Any]:
    """A leaf's fields, in order."""
    return [leaf.dtype, list(leaf.shape), leaf.is_number]


def terms_of(licence: Licence) -> list[Any]:
    """A licence's fields, in order."""
    return [licence.precision, licence.atol, licence.rtol]


def lengths_of(yardstick: Yardstick) -> list[float]:
    """A yardstick's numbers, in order."""
    return [yardstick.scale, yardstick.reference, yardstick.error.worst, yardstick.error.norm]


def comparison_from(facts: dict[str, Any]) -> Comparison:
    """Inverse of ``asdict``."""
    errors = {name: ErrorFacts(**facts[name]) if facts[name] else None for name in ("error", "eager_error", "bound")}
    return Comparison(**{**facts, **errors})
