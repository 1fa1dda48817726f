"""Comparing outputs with the oracle's: licensed numbers, by a yardstick that no single seed's luck can move."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from math import prod

from tools.comparing import LOCAL, Numbers
from tools.contender import Rejected
from tools.harness.arrays import EPS
from tools.harness.licence import Comparison, Expected, Licence, jump_of
from tools.harness.wire import STEPS, Leaf
from tools.harness.yardstick import NO_ERROR, NO_RESPONSE, Response, Sample, Yardstick
from tools.inputs import InputSet
from tools.verdict import CheckResult

Conditioning = Callable[[InputSet], tuple[Response, ...]]
"""How far rounding the inputs of such a set moves each leaf."""
Wavering = Callable[[InputSet, int], Mapping[int, Sequence[bytearray]]]
"""By leaf, what is right of such a set besides the oracle's answer, as found in one of ``STEPS``."""

MAX_LICENSED = 9
MAX_LICENSED_BYTES = 256 << 20
"""Of answers found right, with the sets they answer."""
ASTRAY = 4
"""Times the share of integers that rounding decided in a set that was looked into, any other answer may be off by: two
honest ones differ from each other in twice as many as from eager.
"""
MOST_ASTRAY = 1e-3
"""Of all: leaving out so few saves nobody any time."""
EXACT_DRESS = "integers"
MAX_SAMPLES = 64
"""Sets of a kind that are learnt from."""


class History:
    """How large trusted answers were so far, and how far off eager was, by case, dress, rows and output.

    One seed's answer may be close to 0 by luck, and eager's error too, above all for a single number; the bound does
    not follow luck. A candidate has no say in which sets are learnt from.
    """

    def __init__(self, numbers: Numbers = LOCAL) -> None:
        self.numbers = numbers
        self._samples: dict[tuple[str, str | None, int | None], dict[int, tuple[Sample, ...]]] = {}
        self._coarse: set[tuple[str, int]] = set()
        """Case and output, where eager rounds more coarsely than the output is: so it does whatever it is given."""
        self._lock = threading.Lock()

    def learn(self, inputs: InputSet) -> None:
        """Remember one set, once."""
        key = (inputs.case, inputs.dress, inputs.rows)
        with self._lock:
            known = self._samples.setdefault(key, {})
            if inputs.seed in known or len(known) >= MAX_SAMPLES:
                return
        samples = tuple(self.numbers.measure(expected) for expected in inputs.expected)
        with self._lock:
            known[inputs.seed] = samples

    def yardsticks(self, inputs: InputSet, conditioning: tuple[Response, ...]) -> list[Yardstick]:
        """For every output of such a set; ``conditioning`` of sets of the same kind."""
        count = len(inputs.expected)
        with self._lock:
            known = list(self._samples.get((inputs.case, inputs.dress, inputs.rows), {}).values())
        alike = [samples for samples in known if len(samples) == count]
        responses = conditioning if len(conditioning) == count else (NO_RESPONSE,) * count
        found = []
        for index, response in enumerate(responses):
            place = (inputs.case, index)
            samples = [item[index] for item in alike]
            found.append(Yardstick.of(samples, response, is_coarse=place in self._coarse))
            if found[-1].is_coarse:
                self._coarse.add(place)
        return found


@dataclass
class Examiner:
    """Applies the licence, and keeps the closest call for the verdict."""

    licence: Licence
    conditioning: Conditioning
    history: History
    wavering: Wavering = lambda inputs, step: {}
    """Asked only where integers differ, or numbers by a jump."""
    closest: Comparison | None = field(default=None, init=False)
    _closeness: float = field(default=-1.0, init=False)
    _astray: dict[tuple[str, int], float] = field(default_factory=dict, init=False)
    """By case and leaf, the share of integers that rightly differ from eager's, in whole sets as drawn."""
    _licensed: list[tuple[InputSet, list[bytearray]]] = field(default_factory=list, init=False)
    """Answers found right: most kernels give the same bits again."""

    @property
    def numbers(self) -> Numbers:
        """Who compares."""
        return self.history.numbers

    def examine(self, outputs: Sequence[bytearray], inputs: InputSet) -> Comparison | None:
        """None if every leaf is licensed, else the first comparison that failed."""
        if any(known is inputs and before == outputs for known, before in self._licensed):
            return None
        found = self._examine(outputs, inputs)
        if found is None:
            self._remember(inputs, list(outputs))
        return found

    def _remember(self, inputs: InputSet, outputs: list[bytearray]) -> None:
        """The latest that fit. They outlive the check, and large sets are quicker compared again than kept."""
        latest = [(inputs, outputs), *reversed(self._licensed)][:MAX_LICENSED]
        sizes = accumulate(known.held_bytes + sum(map(len, answer)) for known, answer in latest)
        kept = [item for item, size in zip(latest, sizes, strict=True) if size <= MAX_LICENSED_BYTES]
        self._licensed = kept[::-1]

    def _examine(self, outputs: Sequence[bytearray], inputs: InputSet) -> Comparison | None:
        yardsticks = self.history.yardsticks(inputs, self.conditioning(inputs))
        for index, (raw, expected) in enumerate(zip(outputs, inputs.expected, strict=True)):
            found = self.numbers.compare(raw, expected, self.licence, yardsticks[index])
            if not found.passed:
                found = self._where_rounding_decides(raw, inputs, index, found, yardsticks[index])
            if found.passed and inputs.dress == EXACT_DRESS and expected.leaf.dtype in EPS:
                found = self._exactly(found, raw, expected)
            if not found.passed:
                named = f"{expected.name}: {found.detail}" if expected.name else found.detail
                return replace(found, detail=named)
            if inputs.dress is None:
                self._keep(found)
            if inputs.dress is None and inputs.rows is None:
                place = inputs.case, index
                share = found.astray / max(1, prod(expected.leaf.shape))
                self._astray[place] = max(self._astray.get(place, 0.0), share)
        return None

    def _where_rounding_decides(
        self, raw: bytearray, inputs: InputSet, index: int, found: Comparison, yardstick: Yardstick
    ) -> Comparison:
        """Compare again with what else is right of it, if that can matter.

        Not where integers are one off, in hardly more places than eager's are because it rounds: to look into that
        takes the oracle seconds (134 million quantised bytes, of which some hundred are).
        """
        expected = inputs.expected[index]
        if 0 < found.astray <= self._may_differ(inputs.case, index, expected.leaf):
            return Comparison(True, error=NO_ERROR, eager_error=NO_ERROR, bound=NO_ERROR, excused=found.astray)
        most = min(ASTRAY * found.eagers, int(MOST_ASTRAY * prod(expected.leaf.shape)))
        if 0 < found.one_off <= most:
            facts = NO_ERROR, NO_ERROR, NO_ERROR
            return Comparison(True, "", "", *facts, excused=found.one_off, astray=found.astray)
        jump = 0.0
        if expected.leaf.dtype in EPS:
            scale = max(self.numbers.measure(expected).scale, yardstick.scale)
            least = jump_of(found, expected.leaf.dtype, scale, self.licence)
            if least is None:
                return found
            jump = least
        others: list[bytearray] = []
        for step in range(STEPS):
            others += self.wavering(inputs, step).get(index, ())
            found = self.numbers.compare(raw, replace(expected, wavering=others), self.licence, yardstick, jump)
            if found.passed:
                break
        return found

    def _exactly(self, found: Comparison, raw: bytearray, expected: Expected) -> Comparison:
        """Sums of small whole numbers round in no order: where eager is exact, so is every honest kernel.

        But for ``eps`` of the output's scale, which a mean may lose that is merged from the means of parts.
        """
        if self.licence.precision == "tolerance" or found.error is None or found.eager_error is None:
            return found
        if wrong := self.numbers.wrong_wholes(raw, expected):
            detail = f"whole numbers have an exact answer here; {wrong} of them are off"
            return replace(found, passed=False, reason="wrong_output.inexact", detail=detail)
        if found.error.worst <= EPS[expected.leaf.dtype] or found.eager_error.worst > 0:
            return found
        detail = f"whole numbers have an exact answer here; it is off by {found.error.worst:.2g} of the output's scale"
        return replace(found, passed=False, reason="wrong_output.inexact", detail=detail)

    def resembles(self, outputs: Sequence[bytearray], others: Sequence[bytearray], form: InputSet) -> bool:
        """Whether an answer is as near to a trusted contender's as it would have to be to the oracle's.

        ``form``: any answered set of the same case. True decides; False asks for the oracle.
        """
        yardsticks = self.history.yardsticks(form, self.conditioning(form))
        excused = self.excused(form)
        for index, (mine, theirs) in enumerate(zip(outputs, others, strict=True)):
            expected, yardstick = form.expected[index], yardsticks[index]
            if mine == theirs:
                continue
            if self.licence.precision == "native" and self.numbers.is_near(mine, theirs, expected, yardstick):
                continue
            leaf = expected.leaf
            stand_in = Expected(leaf, theirs, leaf.dtype, theirs, has_oracle=expected.has_oracle)
            found = self.numbers.compare(mine, stand_in, self.licence, yardstick)
            if not found.passed and not 0 < found.astray <= excused[index]:
                return False
        return True

    def excused(self, form: InputSet) -> list[int]:
        """Of each leaf, how many integers of an answer may differ from a trusted one's without the oracle being asked.

        Some differ where rounding decided otherwise in what was checked; to find out about each anew takes the oracle
        seconds a call.
        """
        return [self._may_differ(form.case, index, item.leaf) for index, item in enumerate(form.expected)]

    def _may_differ(self, case: str, index: int, leaf: Leaf) -> int:
        share = min(ASTRAY * self._astray.get((case, index), 0.0), MOST_ASTRAY)
        return 0 if leaf.dtype in EPS else int(share * prod(leaf.shape))

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
        """Raises Rejected unless the output is licensed.

        ``others``: sets of other calls, in the order of the calls. An output that answers an earlier one is
        ``cheat.output_reuse``, one that answers a later one was overwritten: ``aliased_output``.
        """
        found = self.examine(outputs, inputs)
        if found is None:
            return
        facts = (found.error, found.eager_error, found.bound)
        form = [item.leaf for item in inputs.expected]
        place = next((index for index, other in enumerate(others) if other is inputs), len(others))
        for index, other in enumerate(others):
            if other is inputs or [item.leaf for item in other.expected] != form or not differ(inputs, other):
                continue
            probe = Examiner(self.licence, self.conditioning, self.history, self.wavering)
            if probe.examine(outputs, other) is None:
                if index > place:
                    detail = "a later call overwrites the output of an earlier one"
                    raise Rejected("aliased_output", detail, facts=facts)
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
