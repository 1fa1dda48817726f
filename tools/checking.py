"""What a contender is put to: windows in which no stale, shared or spoilt tensor passes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tools.contender import Contender, Rejected
from tools.examining import Examiner, differ
from tools.harness.wire import MAX_CALLS
from tools.inputs import InputSet, Manners

MAX_WINDOW_BYTES = 512 << 20
"""Inputs and outputs of one window, together; two calls at least."""
REPEATS = 32
"""Calls that are made again and have to agree, as far as they fit into one window."""
REPEATING_S = 2.0
POISON_BYTES = (0x55, 0xFF)
"""Two, so that no honest answer agrees with both."""


def check_contender(contender: Contender, sets: Sequence[InputSet], examiner: Examiner, manners: Manners) -> None:
    """Check on all ``sets`` (two or more). Raises Rejected.

    Several calls are made before anybody looks at an output, so that a static output buffer shows; then others at the
    same addresses, so that answers kept by address show. Then the sets are asked for again and again by lot (races
    and rings of buffers show), and the first two in memory that was poisoned, with zones around new tensors
    (elements that were not written, and writes beside a tensor, show).
    """
    fitting = min(calls_that_fit(sets[0]), contender.most_calls)
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
def tolerating(words: str, refused: Callable[[], None], is_alive: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """An error instead of an answer to unusual inputs is no lie, the candidate is specialised: ``refused`` is called.

    ``words``: of the inputs, for what is worse. An error after which it can do nothing more, as one of a GPU's, is
    worse: it takes the process down in which people use it.
    """
    try:
        yield
    except Rejected as error:
        if error.reason != "runtime_error":
            raise Rejected(error.reason, f"with {words}: {error.detail}", error.log, error.facts) from error
        if not is_alive():
            detail = f"with {words}: an error of the device, after which nothing runs: look at them before you launch"
            raise Rejected("device_fault", detail, error.log) from error
        refused()


def is_alive(contender: Contender) -> bool:
    """Whether it still does what it is asked: an error of a GPU ends its context, and all that is asked later fails."""
    try:
        contender.forget()
    except Rejected:
        return False
    return True


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
    if manners.mutates or any(inputs.gives_views for inputs, _ in calls):
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
