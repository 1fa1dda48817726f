"""Comparing a contender's outputs with the oracle's: licensed numbers, no stale, shared or spoilt tensors."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from tools.contender import Contender, Rejected
from tools.harness.wire import MAX_CALLS
from tools.inputs import InputSet, Manners
from tools.licence import EPS, NO_ERROR, Comparison, Expected, Licence, compare, is_near
from tools.verdict import CheckResult, ErrorFacts

Conditioning = Callable[[InputSet], tuple[ErrorFacts, ...]]
"""How far rounding the inputs of such a set moves each leaf."""

MAX_WINDOW_BYTES = 512 << 20
"""Inputs and outputs of one window, together; two calls at least."""
MAX_LICENSED = 9
MAX_LICENSED_BYTES = 256 << 20
"""Of answers found right, with the sets they answer."""
REPEATS = 32
"""Calls that are made again and have to agree, as far as they fit into one window."""
REPEATING_S = 2.0
POISON_BYTES = (0x55, 0xFF)
"""Two, so that no honest answer agrees with both."""
EXACT_DRESS = "integers"
NEEDS_NO_TIES = frozenset({"integers"})
DRESS_WORDS = {
    "mixed": "large, tiny and subnormal numbers among the others",
    "nonfinite": "a NaN and infinities among the numbers",
    "strided": "inputs that are not contiguous",
    "integers": "small whole numbers",
    "sorted": "sorted inputs",
    "expanded": "inputs expanded from one row",
}
"""Of ``tools.harness.dressing``, by dress."""


class EagerHistory:
    """Eager's largest error by case and output so far.

    One seed's error may be small by luck, above all for a single number; the bound does not follow luck.
    """

    def __init__(self) -> None:
        self._worst: dict[tuple[str | None, ...], ErrorFacts] = {}
        self._lock = threading.Lock()

    def get(self, inputs: InputSet, index: int) -> ErrorFacts:
        """Largest seen for sets of this case and dress, zeros at first."""
        return self._worst.get((inputs.case, inputs.dress, str(index)), NO_ERROR)

    def add(self, inputs: InputSet, index: int, error: ErrorFacts) -> None:
        """Remember one more."""
        with self._lock:
            before = self.get(inputs, index)
            self._worst[inputs.case, inputs.dress, str(index)] = ErrorFacts(
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
    _licensed: list[tuple[InputSet, list[bytearray]]] = field(default_factory=list, init=False)
    """Answers found right: most kernels give the same bits again."""

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
        conditioning = self.conditioning(inputs)
        for index, (raw, expected) in enumerate(zip(outputs, inputs.expected, strict=True)):
            found = compare(raw, expected, self.licence, conditioning[index], self.history.get(inputs, index))
            if found.eager_error is not None:
                self.history.add(inputs, index, found.eager_error)
            if found.passed and inputs.dress == EXACT_DRESS:
                found = self._exactly(found)
            if not found.passed:
                return found
            if inputs.dress is None:
                self._keep(found)
        return None

    def _exactly(self, found: Comparison) -> Comparison:
        """Sums of small whole numbers round in no order: where eager is exact, so is every honest kernel."""
        if self.licence.precision == "tolerance" or found.error is None or found.eager_error is None:
            return found
        if found.error.worst == 0 or found.eager_error.worst > 0:
            return found
        detail = f"whole numbers have an exact answer here; it is off by {found.error.worst:.2g} of the output's scale"
        return replace(found, passed=False, reason="wrong_output.inexact", detail=detail)

    def resembles(self, outputs: Sequence[bytearray], others: Sequence[bytearray], form: InputSet) -> bool:
        """Whether an answer is as near to a trusted contender's as it would have to be to the oracle's.

        ``form``: any answered set of the same case. True decides; False asks for the oracle.
        """
        conditioning = self.conditioning(form)
        for index, (mine, theirs, expected) in enumerate(zip(outputs, others, form.expected, strict=True)):
            if mine == theirs:
                continue
            before = self.history.get(form, index)
            if self.licence.precision == "native" and is_near(mine, theirs, expected, conditioning[index], before):
                continue
            leaf = expected.leaf
            stand_in = Expected(leaf, theirs, leaf.dtype, theirs, has_oracle=expected.has_oracle)
            found = compare(mine, stand_in, self.licence, conditioning[index], before)
            if not found.passed:
                return False
        return True

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
            probe = Examiner(self.licence, self.conditioning, self.history)
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


def check_contender(contender: Contender, sets: Sequence[InputSet], examiner: Examiner, manners: Manners) -> None:
    """Check on all ``sets`` (two or more). Raises Rejected.

    Several calls are made before anybody looks at an output, so that a static output buffer shows; then others at the
    same addresses, so that answers kept by address show. Then the sets are asked for again and again by lot (races
    and rings of buffers show), and the first two in memory that was poisoned, with zones around new tensors
    (elements that were not written, and writes beside a tensor, show).
    """
    fitting = calls_that_fit(sets[0])
    for start in range(0, len(sets), fitting):
        window = list(sets[start : start + fitting])
        if len(window) < 2:
            window = [sets[0], *window]
        require_window(contender, window, examiner, manners)
        require_window(contender, [*window[1:], window[0]], examiner, manners, again=True)
    _check_repeats(contender, sets, examiner, fitting)
    for poison in POISON_BYTES:
        contender.run(sets[:2], poison=poison, guarded=True)
        try:
            answers = [contender.outputs(inputs, which) for which, inputs in enumerate(sets[:2])]
            overrun = _require_answers(contender, sets[:2], answers, examiner)
        except Rejected as error:
            detail = f"once memory that changes hands is filled with 0x{poison:02x}: {error.detail}"
            reason = "uninitialised_output" if error.reason == "wrong_output" else error.reason
            raise Rejected(reason, detail, error.log, error.facts) from error
        if overrun:
            raise Rejected("out_of_bounds", "it writes beside a tensor that it made")


@contextmanager
def tolerating(words: str, refused: Callable[[], None]) -> Iterator[None]:
    """An error instead of an answer to unusual inputs is no lie, the candidate is specialised: ``refused`` is called.

    ``words``: of the inputs, for what is worse.
    """
    try:
        yield
    except Rejected as error:
        if error.reason != "runtime_error":
            raise Rejected(error.reason, f"with {words}: {error.detail}", error.log, error.facts) from error
        refused()


def has_no_ties(form: InputSet) -> bool:
    """Whether equal elements are no matter: which of two is the first is nobody's promise."""
    return all(item.leaf.dtype in EPS for item in form.expected)


def calls_that_fit(form: InputSet) -> int:
    """How many calls on such a set one window holds; two at least."""
    return max(2, min(MAX_CALLS, MAX_WINDOW_BYTES // max(1, form.input_bytes + form.output_bytes)))


def require_window(
    contender: Contender, sets: Sequence[InputSet], examiner: Examiner, manners: Manners, **options: Any
) -> None:
    """One window on ``sets``, all of whose outputs are right, and nothing else was written to. Raises Rejected."""
    contender.run(sets, **options)
    require_unchanged(contender, manners)
    answers = [contender.outputs(inputs, which) for which, inputs in enumerate(sets)]
    require_own_memory(contender, [(inputs, which) for which, inputs in enumerate(sets)], answers, manners)
    _require_answers(contender, sets, answers, examiner, seen=bool(options.get("again")))


def require_unchanged(contender: Contender, manners: Manners) -> None:
    """Raises Rejected if the last window wrote to its inputs, or beside them."""
    changed = contender.what_changed()
    if changed == "size":
        raise Rejected("cheat.arena", "it changed the size of the memory in which it is given its inputs")
    if changed == "guard":
        raise Rejected("out_of_bounds", "it writes beside its inputs")
    if changed == "input" and not manners.mutates:
        raise Rejected("input_mutation", "it changes its inputs; the reference does not")


def require_own_memory(
    contender: Contender, calls: Sequence[tuple[InputSet, int]], answers: Sequence[list[bytearray]], manners: Manners
) -> None:
    """Raises Rejected if ``answers``, which were read, are views of the inputs. ``calls``: form and number of each.

    The inputs of the last window are gone after this.
    """
    if manners.aliases or manners.mutates:
        return
    contender.spoil_inputs()
    if any(contender.outputs(form, which) != answer for (form, which), answer in zip(calls, answers, strict=True)):
        raise Rejected("aliased_output", "its output is a view of its input; the reference's has memory of its own")


def _require_answers(
    contender: Contender,
    sets: Sequence[InputSet],
    outputs: Sequence[list[bytearray]],
    examiner: Examiner,
    *,
    seen: bool = False,
) -> bool:
    """Form and values of all outputs of the last window; whether a guard zone was hit.

    ``seen``: the contender met all of these sets in an earlier window.
    """
    overrun = False
    for which, inputs in enumerate(sets):
        overrun |= contender.require_form(inputs, which)
    for raw, inputs in zip(outputs, sets, strict=True):
        others = [item for item in sets if item is not inputs]
        examiner.require(raw, inputs, [*others, inputs] if seen else sets)
    return overrun


def _check_repeats(contender: Contender, sets: Sequence[InputSet], examiner: Examiner, fitting: int) -> None:
    """The same calls again and again, by lot: bitwise the same answer to the same set, or right every time."""
    lot = secrets.SystemRandom()
    took_s = contender.run(sets[:1]).window_s
    times = max(2, min(REPEATS, fitting, int(REPEATING_S / took_s)))
    window = [lot.choice(sets) for _ in range(times)]
    contender.run(window)
    outputs = [contender.outputs(inputs, which) for which, inputs in enumerate(window)]
    seen: dict[int, list[bytearray]] = {}
    for raw, inputs in zip(outputs, window, strict=True):
        if raw != seen.get(id(inputs)):
            _require_repeated(examiner, raw, inputs, window)
            seen.setdefault(id(inputs), raw)


def _require_repeated(examiner: Examiner, raw: list[bytearray], inputs: InputSet, window: Sequence[InputSet]) -> None:
    try:
        examiner.require(raw, inputs)
    except Rejected as error:
        for other in window:
            if other is not inputs and differ(inputs, other) and examiner.examine(raw, other) is None:
                raise Rejected("aliased_output", "a later call overwrites the output of an earlier one") from error
        detail = f"right at first, wrong when called again on the same inputs: {error.detail}"
        raise Rejected("wrong_output.unstable", detail, facts=error.facts) from error
