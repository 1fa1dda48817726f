"""One candidate's trial: checked and timed on every case, in one worker, against a crew's baselines."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from tools.benchmarking import (
    CANDIDATE,
    CaseRatios,
    Plan,
    Series,
    clock_disagreement,
    measure,
    plan_for,
    summarise,
)
from tools.checking import Examiner, calls_that_fit, check_contender, require_unchanged, require_window
from tools.contender import Contender, Rejected
from tools.crew import EAGER, Crew
from tools.errors import JudgeUnavailable
from tools.inputs import Draw, InputSet
from tools.licence import EPS

RESERVED_OUTPUTS = 8
"""Results, or temporaries of their size, for which memory is touched beforehand."""
MAX_RESERVED_BYTES = 1 << 30
RESERVED_SHARE = 0.1
"""Of what a worker may use, at most: none must die of memory that we touched."""
ORACLE_SHARE = 6
"""Of so many rounds of timed windows one is compared with the oracle itself, by lot; all are with the best baseline."""
DRESSES = ("mixed", "nonfinite", "strided")
CONFIRM_DRESSES = ("integers", "sorted", "expanded", "repeated")
"""Of ``tools.harness.dressing``: what every candidate is checked with, and what a champion besides."""
MAX_DRESSED_BYTES = 8 << 20
"""Larger inputs are cut to fewer rows before they are dressed: what is tried there does not depend on their number."""
WITHOUT_TIES = {"integers": None, "mixed": "untied"}
"""What stands for a dress that makes equal elements where an output is made of integers; None for nothing."""
DRESS_WORDS = {
    "mixed": "large, tiny and subnormal numbers among the others",
    "untied": "large, tiny and subnormal numbers among the others",
    "nonfinite": "a NaN and infinities among the numbers",
    "strided": "inputs that are not contiguous",
    "integers": "small whole numbers",
    "sorted": "sorted inputs",
    "expanded": "inputs expanded from one row",
    "repeated": "the same integers again and again",
}


@dataclass
class Trial:
    """Runs the check and the timing of one candidate; the seeds are drawn here and die here."""

    crew: Crew
    candidate: Contender
    seeds: int
    blocks: int
    budget_s: float
    statistics_seed: int
    notice: Callable[[str], None]
    memory_bytes: int
    """What one worker may use."""
    dresses: tuple[str, ...] = DRESSES
    floors_s: Mapping[str, float] = field(default_factory=dict)
    """By case, a time that no call can be shorter than."""
    refused: bool = field(default=False, init=False)
    """It raised an error instead of answering unusual inputs."""
    examiner: Examiner = field(init=False)
    seconds: dict[str, float] = field(default_factory=lambda: {"check": 0.0, "time": 0.0}, init=False)

    def __post_init__(self) -> None:
        self.examiner = self.crew.examiner()

    def run(self, drawn: dict[str, list[InputSet]]) -> list[CaseRatios]:
        """Check, then time, case by case. Raises Rejected or JudgeUnavailable."""
        results = []
        for case in self.crew.cases:
            sets = drawn.pop(case, None) or self.crew.draw(case, max(2, self.seeds))
            with self._clocked("check"):
                self.check(case, sets)
            with self._clocked("time"):
                baselines = self.crew.baselines(self.notice)
                results.append(self._time(case, sets[0], baselines, self.crew.best_guess(case)))
        return results

    def again(self, open_candidate: Callable[[], Contender], cases: Sequence[CaseRatios]) -> list[CaseRatios]:
        """Time anew, with a fresh process of the candidate and of what was the best baseline of each case."""
        self.notice("a close call: measuring on with fresh processes")
        with ExitStack() as stack, self._clocked("close call"):

            def opened(opening: Callable[[], Contender]) -> Contender:
                contender = opening()
                stack.callback(contender.close)  # whatever becomes of the others
                return contender

            names = {case.best for case in cases}
            with ThreadPoolExecutor(len(names)) as pool:
                waiting = {name: pool.submit(opened, partial(self.crew.understudy, name)) for name in names}
                other = replace(self, candidate=opened(open_candidate))
            results = []
            for case in cases:
                name, best = case.verdict.name, case.best
                form = self.crew.draw(name, 1)[0]
                results.append(other._time(name, form, {best: waiting[best].result()}, best))
            return results

    @contextmanager
    def _clocked(self, stage: str) -> Iterator[None]:
        begin = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - begin

    def check(self, case: str, sets: Sequence[InputSet]) -> None:
        """Compare with the oracle on all sets, then on unusual ones."""
        self.notice("checking")
        may_mutate = self._may_mutate(case)
        check_contender(self.candidate, sets, self.examiner, may_mutate=may_mutate)
        rows = rows_within(sets[0], MAX_DRESSED_BYTES)
        # Which of two equal elements is first is nobody's promise.
        replaced = {} if all(item.leaf.dtype in EPS for item in sets[0].expected) else WITHOUT_TIES
        for dress in (replaced.get(name, name) for name in self.dresses):
            if dress is not None and _changes_something(dress, sets[0]):
                self._check_dressed(case, dress, rows, may_mutate)
        if self.dresses:
            with self._tolerating("inputs one element off any alignment"):
                require_window(self.candidate, sets[:1], self.examiner, may_mutate=may_mutate, misaligned=True)
            # Where a page ends is off any alignment too, as a rule.
            with self._tolerating("inputs that end where readable memory does"):
                self._fenced(sets[0], may_mutate)

    def _check_dressed(self, case: str, dress: str, rows: int | None, may_mutate: bool) -> None:
        inputs = self.crew.make(case, rows, dress)
        if inputs is None and rows is not None:
            inputs = self.crew.make(case, dress=dress)
        if inputs is None:
            return
        with self._tolerating(DRESS_WORDS[dress]):
            require_window(self.candidate, [inputs], self.examiner, may_mutate=may_mutate)

    def _fenced(self, form: InputSet, may_mutate: bool) -> None:
        try:
            require_window(self.candidate, [form], self.examiner, may_mutate=may_mutate, fenced=True)
        except Rejected as error:
            if error.reason != "crash":
                raise
            detail = f"it reads or writes beyond the end of an input: {error.detail}"
            raise Rejected("out_of_bounds", detail, error.log) from error

    @contextmanager
    def _tolerating(self, words: str) -> Iterator[None]:
        """An error instead of an answer to such inputs is no lie: the candidate is specialised. ``words``: of them."""
        try:
            yield
        except Rejected as error:
            if error.reason != "runtime_error":
                raise Rejected(error.reason, f"with {words}: {error.detail}", error.log, error.facts) from error
            self.refused = True

    def _may_mutate(self, case: str) -> bool:
        return case in self.crew.describe()[1]

    def _time(self, case: str, form: InputSet, baselines: Mapping[str, Contender], best: str) -> CaseRatios:
        contenders = {CANDIDATE: self.candidate, **baselines}
        warmed = self.crew.warmed[case]
        plan = plan_for(
            warmed[best].seconds,
            warmed[EAGER].overhead_s,
            len(contenders) + 1,
            self.blocks,
            calls_that_fit(form),
            self.budget_s,
        )
        reserve([*contenders.values()], form, plan.calls, self.memory_bytes)
        try:
            series = self._measure(case, form, plan, contenders, best)
        finally:
            for contender in baselines.values():
                contender.forget()
        self.candidate.forget()
        return summarise(case, series, self.statistics_seed)

    def _measure(self, case: str, form: InputSet, plan: Plan, contenders: dict[str, Contender], best: str) -> Series:
        audit = Audit(self, case, form, plan.calls, contenders[best], best)
        lot = random.Random(secrets.randbits(64))  # noqa: S311 - seeded from the operating system's entropy
        series = measure(
            contenders,
            plan,
            lot,
            best,
            audit.draw,
            flush=self.crew.flush,
            after_window=audit.after_window,
            notice=self.notice,
        )
        told = clock_disagreement(series)
        if told is not None:
            raise Rejected("cheat.clock_disagreement", told)
        self._require_possible(series.timing(CANDIDATE).median_s, self.floors_s.get(case, 0.0))
        return series

    def _require_possible(self, seconds: float, floor_s: float) -> None:
        if seconds < floor_s:
            raise Rejected(
                "cheat.below_floor",
                f"a call takes {seconds * 1e6:.3g} us; this machine cannot read the inputs, all of which count, "
                f"in less than {floor_s * 1e6:.3g} us",
            )


def _changes_something(dress: str, form: InputSet) -> bool:
    return dress != "repeated" or any(packed[0] not in EPS for packed in form.packed)


def rows_within(form: InputSet, size_bytes: int) -> int | None:
    """So many rows of such a set stay within ``size_bytes``; None for all."""
    lengths = [packed[1][0] for packed in form.packed if packed[1]]
    if form.input_bytes <= size_bytes or not lengths or lengths[0] < 2:
        return None
    return max(1, int(lengths[0]) * size_bytes // form.input_bytes)


def reserve(contenders: Sequence[Contender], form: InputSet, calls: int, memory_bytes: int) -> None:
    """Have each hold what it needs while a case is timed: outputs of two windows with what leads to them."""
    size = form.input_bytes + (RESERVED_OUTPUTS + 2 * calls) * form.output_bytes
    size = min(size, MAX_RESERVED_BYTES, int(memory_bytes * RESERVED_SHARE))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda contender: contender.reserve(size), contenders))


class Audit:
    """Draws the inputs of timed windows, and examines every answer of the candidate to them.

    An answer is compared with the best baseline's, from the same round. One that differs more than an honest one may,
    and those of rounds chosen by lot beforehand, are compared with the oracle.
    """

    def __init__(self, trial: Trial, case: str, form: InputSet, calls: int, baseline: Contender, name: str) -> None:
        self._trial = trial
        self._case = case
        self._form = form
        self._calls = calls
        self._baseline = baseline
        self._baseline_name = name
        self._round = 0
        self._with_oracle = secrets.randbelow(ORACLE_SHARE)
        self._sets: list[Draw] = []
        self._mine: list[list[bytearray]] = []
        self._theirs: list[list[bytearray]] = []

    def draw(self) -> list[Draw]:
        """New inputs for one round; in some rounds, for one of its calls, the oracle has answered too."""
        crew = self._trial.crew
        self._sets = list(crew.oracle.draw(self._case, self._calls))
        self._mine, self._theirs = [], []
        if self._round % ORACLE_SHARE == self._with_oracle:
            answered = crew.make(self._case)
            if answered is not None:
                self._sets[secrets.randbelow(self._calls)] = answered
            self._with_oracle = secrets.randbelow(ORACLE_SHARE)
        self._round += 1
        return self._sets

    def after_window(self, name: str) -> None:
        """Read the answers, and compare once both are there."""
        if name == CANDIDATE:
            may_mutate = self._trial._may_mutate(self._case)
            require_unchanged(self._trial.candidate, may_mutate=may_mutate)
            self._mine = self._read(self._trial.candidate)
        elif name == self._baseline_name:
            try:
                self._theirs = self._read(self._baseline)
            except Rejected as error:
                raise JudgeUnavailable(f"the {name} baseline gave no readable answer: {error}") from error
        if self._mine and self._theirs:
            try:
                self._compare()
            except Rejected as error:
                raise Rejected(error.reason, f"in a timed call: {error.detail}", facts=error.facts) from error
            self._mine, self._theirs = [], []

    def _read(self, contender: Contender) -> list[list[bytearray]]:
        return [contender.outputs(self._form, which) for which in range(len(self._sets))]

    def _compare(self) -> None:
        examiner = self._trial.examiner
        for inputs, mine, theirs in zip(self._sets, self._mine, self._theirs, strict=True):
            if isinstance(inputs, InputSet):
                examiner.require(mine, inputs)
            elif not examiner.resembles(mine, theirs, self._form):
                answered = self._trial.crew.oracle.make(self._case, seed=inputs.seed)
                if answered is None or answered.inputs != inputs.inputs:
                    raise JudgeUnavailable("the problem's inputs are not determined by torch's seed")
                examiner.require(mine, answered)


def unseen_shapes(crew: Crew, candidate: Contender, notice: Callable[[str], None]) -> bool | None:
    """Try other sizes of the leading dimension.

    True if it refuses one with an error, False if it answers all, None if the reference takes none itself.
    Raises Rejected for a wrong answer.
    """
    tried = refused = False
    for case in crew.cases:
        for rows in other_sizes(crew, case):
            inputs = crew.make(case, rows)
            if inputs is None:
                continue
            tried = True
            notice(f"trying {rows} rows")
            try:
                candidate.run([inputs])
                outputs = candidate.outputs(inputs)
                candidate.require_form(inputs)
            except Rejected as error:
                if error.reason != "runtime_error":
                    raise Rejected(_unseen(error.reason), f"with {rows} rows: {error.detail}", error.log) from error
                refused = True
                continue
            crew.examiner().require(outputs, inputs, kind="wrong_output.unseen_shape")
    return refused if tried else None


def _unseen(reason: str) -> str:
    return "wrong_output.unseen_shape" if reason.startswith("wrong_output") else reason


def other_sizes(crew: Crew, case: str) -> list[int]:
    """One less, a prime below, and one; nothing where there is no leading dimension to cut."""
    facts = next(item for item in crew.describe()[0].cases if item.name == case)
    lengths = [item.shape[0] for item in facts.inputs if not isinstance(item, str) and item.shape]
    if not lengths or lengths[0] < 2:
        return []
    rows = lengths[0]
    return sorted({rows - 1, prime_below(max(3, rows * 2 // 3)), 1} - {rows, 0}, reverse=True)


def prime_below(number: int) -> int:
    """The largest prime smaller than ``number`` (3 or more)."""
    for value in range(number - 1, 1, -1):
        if all(value % divisor for divisor in range(2, int(value**0.5) + 1)):
            return value
    raise JudgeUnavailable(f"no prime below {number}")
