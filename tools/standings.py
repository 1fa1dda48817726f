"""Two candidates side by side: what differs in their texts, what is known of each, and what can honestly be said.

Nothing is judged here. What is known comes from verdicts that were given and from what a proposal's own tools said.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from tools.candidate import Candidate
from tools.harness.yardstick import ErrorFacts
from tools.intervals import MIN_EFFECT
from tools.likeness import likeness
from tools.problem_text import one_line
from tools.profiling.diagnosis import Diagnosis
from tools.profiling.ranking import duration
from tools.roofline import roof_of
from tools.verdict import CheckResult, Verdict

DIFF_LINES = 80
DIFF_CHARS = 5_000
MAX_LINES = 4_000
"""Of a file that is compared line by line."""
MOST_CASES = 12
MOST_KERNELS = 3

Interval = tuple[float, float]


@dataclass(frozen=True)
class Standing:
    """What is known of one candidate."""

    verdict: Verdict | None = None
    """This run's."""
    check: CheckResult | None = None
    """Of this proposal's last test of it."""
    profile: Diagnosis | None = None
    """What a profiler last said of it."""
    elsewhere: float | None = None
    """Its speed-up in an earlier run, perhaps on another machine."""


@dataclass(frozen=True)
class Side:
    """One of the two."""

    id: str
    candidate: Candidate
    standing: Standing

    @property
    def accepted(self) -> Verdict | None:
        """The verdict, if it is one that has times."""
        verdict = self.standing.verdict
        return verdict if verdict is not None and verdict.status == "accepted" else None


def compare(first: Side, second: Side) -> tuple[str, str]:
    """What is told, but for the differences of their texts; and those, whole."""
    sides = (first, second)
    facts = [("candidate", [side.id for side in sides]), ("verdict", [_status(side) for side in sides])]
    facts += [("speed-up", [_speedup(side) for side in sides])]
    facts += [(f"case {name}", [_case(side, name) for side in sides]) for name in _cases(sides)[:MOST_CASES]]
    facts += [("error", [_errors(side) for side in sides])]
    facts += [("roofline", [_roofline(side) for side in sides])]
    facts += [("profile", [_profile(side) for side in sides])]
    lines = [f"{name}: {left or '-'} | {right or '-'}" for name, (left, right) in facts if left or right]
    left = len(_cases(sides)) - MOST_CASES
    lines += [f"({left} more cases)"] if left > 0 else []
    return "\n".join(["what: first | second", *lines, *conclusions(first, second)]), diff(first, second)


def conclusions(first: Side, second: Side) -> list[str]:
    """What follows from it, and what does not."""
    said = []
    same = likeness(first.candidate)
    if same is not None and same == likeness(second.candidate):
        said.append("they are the same program but for comments, layout or names")
    mine, other = first.accepted, second.accepted
    if mine is None or other is None:
        return [f"so: {text}" for text in (*said, _without_times(first, second))]
    noise = max(MIN_EFFECT, *(case.aa_spread for verdict in (mine, other) for case in verdict.cases), 0.0)
    said.append(_faster(mine.speedup_ci95, other.speedup_ci95, noise))
    if len(mine.cases) > 1:
        before = {case.name: case for case in mine.cases}
        pairs = [(before[case.name], case) for case in other.cases if case.name in before]
        named = [(new.name, _winner(old.speedup_ci95, new.speedup_ci95, noise)) for old, new in pairs]
        for winner in ("first", "second"):
            names = [one_line(name, 60) for name, won in named if won == winner]
            said += [f"the {winner} is faster in {', '.join(names[:MOST_CASES])}"] if names else []
    return [f"so: {text}" for text in said]


def _without_times(first: Side, second: Side) -> str:
    unknown = [name for name, side in (("first", first), ("second", second)) if side.standing.verdict is None]
    if any(side.standing.elsewhere is not None and side.standing.verdict is None for side in (first, second)):
        return "a speed-up of another run was measured at another time, perhaps elsewhere: it cannot be compared"
    if unknown:
        return f"nobody has timed the {' and the '.join(unknown)}: which is faster is known once both are judged"
    if first.accepted is None and second.accepted is None:
        return "neither was accepted, so there are no times to compare"
    return f"only the {'first' if first.accepted else 'second'} was accepted: the other has no speed-up that counts"


def _faster(first: Interval | None, second: Interval | None, noise: float) -> str:
    if first is None or second is None:
        return "there is no interval of one of them: which is faster is not known"
    if first[0] <= second[1] and second[0] <= first[1]:
        return "their intervals overlap: neither can be called faster"
    winner = _winner(first, second, noise)
    if winner is None:
        return f"their intervals do not overlap, but they may be less than {noise:.0%} apart: that is no gain"
    fast, slow = (first, second) if winner == "first" else (second, first)
    return f"the {winner} is faster, {fast[0] / slow[1]:.2f} to {fast[1] / slow[0]:.2f} times"


def _winner(first: Interval | None, second: Interval | None, noise: float) -> str | None:
    """Who is faster by more than noise even where both intervals are read to the other's advantage."""
    if first is None or second is None:
        return None
    if second[0] > first[1] * (1 + noise):
        return "second"
    return "first" if first[0] > second[1] * (1 + noise) else None


def _status(side: Side) -> str:
    verdict, check = side.standing.verdict, side.standing.check
    if verdict is not None:
        detail = f" ({one_line(verdict.detail, 160)})" if verdict.detail else ""
        return verdict.status + (f": {verdict.reason}{detail}" if verdict.reason else "")
    if side.standing.elsewhere is not None:
        return "of an earlier run"
    if check is None:
        return "not judged"
    return "not judged; passed its test" if check.passed else f"not judged; failed its test: {check.reason}"


def _speedup(side: Side) -> str:
    verdict = side.accepted
    if verdict is not None and verdict.speedup is not None:
        worst = verdict.worst_case_speedup
        tail = f", worst case {worst:.3f}" if worst is not None and len(verdict.cases) > 1 else ""
        return f"{verdict.speedup:.3f}{_interval(verdict.speedup_ci95)}{tail}"
    elsewhere = side.standing.elsewhere
    return "" if elsewhere is None else f"{elsewhere:.3f} there"


def _cases(sides: Sequence[Side]) -> list[str]:
    return list(dict.fromkeys(case.name for side in sides if side.accepted for case in side.accepted.cases))


def _case(side: Side, name: str) -> str:
    cases = side.accepted.cases if side.accepted is not None else ()
    case = next((case for case in cases if case.name == name), None)
    if case is None:
        return ""
    return f"{duration(case.candidate.median_s)}, {case.speedup:.3f}{_interval(case.speedup_ci95)}"


def _errors(side: Side) -> str:
    verdict, check = side.standing.verdict, side.standing.check
    if verdict is not None:
        return _error_of_bound(verdict.error, verdict.error_bound)
    return "" if check is None else _error_of_bound(check.error, check.bound)


def _error_of_bound(error: ErrorFacts | None, bound: ErrorFacts | None) -> str:
    if error is None:
        return ""
    allowed = "" if bound is None else f", allowed {bound.worst:.3g} / {bound.norm:.3g}"
    return f"{error.worst:.3g} / {error.norm:.3g} (worst / norm{allowed})"


def _roofline(side: Side) -> str:
    verdict = side.accepted
    if verdict is None or verdict.roofline_fraction is None:
        return ""
    return f"{verdict.roofline_fraction:.0%} of {roof_of(case.bound for case in verdict.cases)}"


def _profile(side: Side) -> str:
    profile = side.standing.profile
    if profile is None:
        return ""
    kernels = [
        f"{one_line(kernel.name, 60)} {kernel.registers} registers"
        + (f", {kernel.spill_bytes} bytes spilled" if kernel.spill_bytes else ", no spills")
        for kernel in profile.kernels
        if kernel.registers is not None
    ]
    return "; ".join([f"{profile.profiler}: bound by {profile.bound}", *kernels[:MOST_KERNELS]])


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"


def diff(first: Side, second: Side) -> str:
    """A unified diff from the first to the second; empty where the texts are the same."""
    before, after = (side.candidate.source.splitlines() for side in (first, second))
    if max(len(before), len(after)) > MAX_LINES:
        return f"(a file has more than {MAX_LINES} lines: too long for a diff)"
    return "\n".join(difflib.unified_diff(before, after, first.id, second.id, n=2, lineterm=""))


def shortened(text: str, artifact: str) -> str:
    """The beginning of a diff, and where the rest is."""
    lines = text.splitlines()
    shown: list[str] = []
    left = DIFF_CHARS
    for line in lines[:DIFF_LINES]:
        left -= len(line) + 1
        if left < 0:
            break
        shown.append(line)
    if len(shown) == len(lines):
        return text
    more = len(lines) - len(shown)
    after = f"... {more} more lines: read_log what=comparison line={len(shown) + 1} (artifact {artifact[:16]})"
    return "\n".join([*shown, after])
