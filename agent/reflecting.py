"""What a verdict teaches, as text: pure, so that the same verdict always teaches the same."""

from __future__ import annotations

from tools.roofline import Bound, roof_of
from tools.verdict import Verdict

NOISE = 0.01
"""Relative difference below which two speed-ups are called the same."""
NEAR_ROOFLINE = 0.6
FAR_FROM_ROOFLINE = 0.3
MOST_CASES = 8
"""That are told one by one."""
_LONGEST = 300
_ELSEWHERE: dict[Bound | None, str] = {
    "memory": "computing, latency or threads",
    "compute": "memory, latency or idle units",
}
_FEWER: dict[Bound | None, str] = {"memory": "fewer bytes", "compute": "fewer or narrower products"}

_CLASSES = {
    "compile_error": "it does not build",
    "import_error": "it cannot be imported",
    "no_model_new": "the file defines no class ModelNew",
    "wrong_output.shape": "an output has the wrong shape",
    "wrong_output.dtype": "an output has the wrong dtype",
    "wrong_output.unseen_shape": "it is wrong at shapes other than the declared ones, which it accepts",
    "wrong_output": "the numbers are wrong",
    "aliased_output": "it hands out a buffer that a later call overwrites",
    "input_mutation": "it changes its inputs",
    "runtime_error": "it raises when called",
    "runtime_error.memory": "its kernels read or write memory that is not theirs, which memcheck saw",
    "crash": "it crashes the process: look for out-of-bounds access",
    "timeout": "it takes far too long",
    "out_of_memory": "it needs too much memory",
    "cheat": "it was caught working around the measurement",
}


def to_lesson(verdict: Verdict, *, parent_speedup: float | None = None) -> str:
    """One or two lines: the class of the failure, or how fast it is, against its parent and the roofline."""
    if verdict.status == "accepted":
        return _speed(verdict, parent_speedup)
    text = f"{verdict.reason}: {_class_of(verdict.reason or '')}"
    if verdict.detail:
        text += f" ({_one_line(verdict.detail)})"
    return text + _distance(verdict)


def _class_of(reason: str) -> str:
    """The longest known prefix of a dotted code."""
    parts = reason.split(".")
    for length in range(len(parts), 0, -1):
        known = _CLASSES.get(".".join(parts[:length]))
        if known is not None:
            return known
    return "rejected"


def _distance(verdict: Verdict) -> str:
    if verdict.error is None or verdict.error_bound is None:
        return ""
    worst, allowed = verdict.error.worst, verdict.error_bound.worst
    return f"; worst error {worst:.2g} of the output's scale, allowed {allowed:.2g}"


def _speed(verdict: Verdict, parent_speedup: float | None) -> str:
    speedup = verdict.speedup or 0.0
    verb = {True: "faster than", False: "no faster than", None: "not clearly faster than"}[verdict.faster]
    parts = [f"{speedup:.2f}x, {verb} the best baseline"]
    if parent_speedup:
        change = speedup / parent_speedup - 1
        if abs(change) <= NOISE:
            parts.append("the same as its parent")
        else:
            parts.append(f"{abs(change):.0%} {'faster' if change > 0 else 'slower'} than its parent")
    worst = verdict.worst_case_speedup
    if worst is not None and len(verdict.cases) > 1 and worst < 0.9 * speedup:
        slowest = min(verdict.cases, key=lambda case: case.speedup)
        parts.append(f"weakest in case {slowest.name} ({slowest.speedup:.2f}x)")
    parts += _by_case(verdict)
    return "; ".join([*parts, *_bottleneck(verdict)])


def _by_case(verdict: Verdict) -> list[str]:
    """Every case, the worst first, and which of them are lost: a mean hides that."""
    if len(verdict.cases) < 2:
        return []
    order = sorted(verdict.cases, key=lambda case: case.speedup)
    told = [f"{case.name} {case.speedup:.2f}x" for case in order[:MOST_CASES]]
    left = len(order) - len(told)
    parts = [f"by case: {', '.join(told)}" + (f" and {left} faster ones" if left else "")]
    lost = [case.name for case in order if case.speedup_ci95[1] < 1]
    if lost and verdict.faster is not False:
        parts.append(
            f"it loses to the best baseline in {', '.join(lost[:MOST_CASES])}: do not trade cases for the mean"
        )
    return parts


def _bottleneck(verdict: Verdict) -> list[str]:
    """What it reaches of what the device allows, and what that asks for next."""
    fraction = verdict.roofline_fraction
    if fraction is None:
        return []
    bounds = {case.bound for case in verdict.cases}
    bound = next(iter(bounds)) if len(bounds) == 1 else None
    reached = f"at {fraction:.0%} of {roof_of(bounds)}"
    if verdict.at_floor:
        return [f"{reached}: nothing is left to win"]
    if fraction <= FAR_FROM_ROOFLINE:
        return [f"{reached}: held up by {_ELSEWHERE.get(bound, 'something else, latency perhaps')}"]
    if fraction >= NEAR_ROOFLINE:
        return [f"{reached}: only {_FEWER.get(bound, 'less work')} would help much"]
    return [reached]


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
