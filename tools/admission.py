"""Whether a problem can be judged at all: wrong answers to it must be told from right ones, by the rules in force.

A problem whose output is nearly constant, or smaller than the tolerance, would let anything pass; better to say so
before a search than to report its champion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.comparing import LOCAL, Numbers
from tools.crew import Crew
from tools.device.bank import DeviceBytes
from tools.errors import JudgeUnavailable, RequestError
from tools.harness.arrays import EPS
from tools.harness.licence import Expected, Licence
from tools.harness.wire import ITEM_BYTES, PARTS
from tools.harness.yardstick import Yardstick
from tools.inputs import InputSet
from tools.mutants import Mutant, is_idle, mutants, shortened


class Blurred(RequestError):
    """Wrong answers would pass for right ones, with these weights and inputs."""


@dataclass(frozen=True)
class Admission:
    """What came of trying mutants."""

    tried: int
    blurred: tuple[str, ...] = ()
    """Wrong by their precision alone, and yet they would pass."""
    ignored: tuple[str, ...] = ()
    """Inputs and parameters on which the answer hardly depends."""
    needed_bytes: dict[str, int] = field(default_factory=dict)
    """By case, the size of the parts of its inputs that change the answer: nobody can do without reading them."""

    @property
    def notes(self) -> list[str]:
        """What readers of a verdict should know."""
        said = [f"lower precision cannot be told here: {', '.join(self.blurred)}"] if self.blurred else []
        if self.ignored:
            said.append(f"the answer hardly depends on {', '.join(self.ignored)}")
        return said


@dataclass
class _Findings:
    """As sets in order."""

    survivors: dict[str, None] = field(default_factory=dict)
    blurred: dict[str, None] = field(default_factory=dict)
    ignored: dict[str, None] = field(default_factory=dict)
    needed: dict[str, int] = field(default_factory=dict)


def admit(crew: Crew, licence: Licence, name: str) -> Admission:
    """Try mutants of every case's outputs. Raises Blurred if wrong answers would pass, RequestError if answers could be
    remembered or not be compared.
    """
    tried = 0
    found = _Findings()
    for case in crew.cases:
        first, second = crew.draw(case, 2)
        _require_variety(first, second, name)
        again = crew.oracle.make(case, seed=first.seed)
        if again is None or again.inputs != first.inputs:
            raise RequestError(
                f"{name}.py: get_inputs() draws numbers that torch's seed does not determine: use torch.rand or "
                "torch.randn"
            )
        grains = _grains(crew, licence, first)
        for index, mutant in _of_outputs(first, second, grains):
            tried += 1
            if _passes(crew, licence, first, index, mutant.raw):
                (found.blurred if mutant.is_of_precision else found.survivors)[mutant.name] = None
        tried += _of_reference(crew, licence, first, found)
    if found.survivors:
        raise Blurred(
            f"{name}.py: with these inputs and this precision, wrong answers would pass for right ones "
            f"({', '.join(found.survivors)}): give it inputs to which the answers differ and are not nearly constant"
            + (", or state a smaller atol" if licence.precision == "tolerance" else "")
        )
    return Admission(tried, tuple(found.blurred), tuple(found.ignored), found.needed)


def _require_variety(first: InputSet, second: InputSet, name: str) -> None:
    """Raises RequestError if two draws are alike, or their answers: then an answer could be kept, or made up."""
    if first.inputs and first.inputs == second.inputs:
        raise RequestError(
            f"{name}.py: get_inputs() gives the same inputs every time, so an answer could simply be remembered: "
            "draw them with torch.rand or torch.randn"
        )
    forms = [[item.leaf for item in drawn.expected] for drawn in (first, second)]
    if forms[0] != forms[1] or first.packed != second.packed:
        raise RequestError(
            f"{name}.py: shapes differ from draw to draw, and answers could not be compared: give it inputs of fixed "
            "shapes whose outputs have fixed shapes too"
        )
    if all(one.eager == other.eager for one, other in zip(first.expected, second.expected, strict=False)):
        raise RequestError(f"{name}.py: forward() gives the same answer to different inputs: there is nothing to judge")


def _grains(crew: Crew, licence: Licence, inputs: InputSet) -> list[float]:
    """Per output, the relative difference that small mutants have to exceed clearly, if its dtype allows a smaller one.

    A stated rtol is a choice; what it allows is no mutant. And what eager rounds to the 16 bits of its inputs is not
    known better for being written down in 32: twice its error, which was half a unit of its last place at the most.
    """
    if licence.precision == "tolerance":
        return [licence.tolerance(item.leaf.dtype)[1] / 4 for item in inputs.expected]
    given = [packed[0] for packed in (*inputs.packed, *crew.constructor().tensors)]
    coarsest = max((EPS[dtype] for dtype in given if dtype in EPS), default=0.0)
    eager = crew.history.yardsticks(inputs, ())
    return [min(coarsest, 2 * yardstick.error.worst) for yardstick in eager]


def _of_outputs(first: InputSet, second: InputSet, grains: Sequence[float]) -> Iterator[tuple[int, Mutant]]:
    for index, (expected, other) in enumerate(zip(first.expected, second.expected, strict=False)):
        leaf = shortened(expected.leaf)
        if expected.leaf != other.leaf or not leaf.size_bytes:
            continue
        size = leaf.size_bytes
        inputs = [
            beginning(raw, size)
            for packed, raw in zip(first.packed, first.inputs, strict=True)
            if packed[0] == leaf.dtype and len(raw) >= leaf.size_bytes
        ]
        right, theirs = beginning(expected.eager, size), beginning(other.eager, size)
        truth = beginning(expected.oracle, size // ITEM_BYTES[leaf.dtype] * ITEM_BYTES[expected.oracle_dtype])
        for mutant in mutants(leaf, right, theirs, inputs[0] if inputs else None, grains[index]):
            if not (expected.has_oracle and is_idle(mutant.name, leaf, truth, expected.oracle_dtype)):
                yield index, mutant


def _of_reference(crew: Crew, licence: Licence, first: InputSet, found: _Findings) -> int:
    """The reference itself with an input or a parameter changed; how many were tried."""
    tried = 0
    for change, what, leaves in crew.oracle.mutate(first):
        if [len(raw) for raw in leaves] != [item.leaf.size_bytes for item in first.expected]:
            continue
        same = all(raw == item.eager for raw, item in zip(leaves, first.expected, strict=True))
        passes = same or all(_passes(crew, licence, first, index, raw) for index, raw in enumerate(leaves))
        tried += not same
        if passes and change == "zeroed":
            found.ignored[what] = None
        elif passes and change == "coarse" and not same:
            found.blurred[f"{what} rounded"] = None
        elif not passes and change.startswith("part"):
            size = len(first.inputs[int(what.removeprefix("input "))]) // PARTS
            found.needed[first.case] = found.needed.get(first.case, 0) + size
    return tried


def _passes(crew: Crew, licence: Licence, inputs: InputSet, index: int, raw: Any) -> bool:
    """Whether ``raw``, the beginning of an answer at least, would be licensed."""
    whole = inputs.expected[index]
    leaf = shortened(whole.leaf) if len(raw) < whole.leaf.size_bytes else whole.leaf
    if len(raw) != leaf.size_bytes:
        raise JudgeUnavailable("a mutant is longer than the answer it stands for")
    oracle_bytes = leaf.size_bytes // ITEM_BYTES[leaf.dtype] * ITEM_BYTES[whole.oracle_dtype]
    numbers: Numbers = LOCAL
    oracle, eager = whole.oracle, whole.eager
    if isinstance(raw, bytes | bytearray | memoryview):
        oracle, eager = beginning(oracle, oracle_bytes), beginning(eager, leaf.size_bytes)
    else:
        numbers = crew.oracle.numbers
    expected = Expected(leaf, oracle, whole.oracle_dtype, eager, has_oracle=whole.has_oracle)
    # Its own scale only: the first rows of an answer may be smaller than the whole.
    yardstick = crew.history.yardsticks(inputs, crew.oracle.conditioning(inputs))[index]
    return numbers.compare(raw, expected, licence, Yardstick(error=yardstick.error)).passed


def beginning(raw: Any, size: int) -> Any:
    """So many bytes from its start, here, wherever it is."""
    return raw.beginning(size) if isinstance(raw, DeviceBytes) else memoryview(raw)[:size]
