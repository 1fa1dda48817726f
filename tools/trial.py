"""One candidate's trial: checked and timed on every case, in one worker, against a crew's baselines."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tools.benchmarking import (
    BUFFERS,
    CANDIDATE,
    CaseRatios,
    Series,
    clock_disagreement,
    measure,
    plan_for,
    summarise,
)
from tools.checking import Examiner, check_contender
from tools.contender import Contender, Rejected
from tools.crew import EAGER, Crew
from tools.errors import JudgeUnavailable
from tools.oracle import InputSet

RESERVED_OUTPUTS = 8
"""Results, or temporaries of their size, for which memory is touched beforehand."""
MAX_RESERVED_BYTES = 1 << 30
RESERVED_SHARE = 0.1
"""Of what a worker may use, at most: none must die of memory that we touched."""
MAX_RESIDENT_BYTES = 512 << 20
"""Input sets of one case that a worker keeps for timing, together; two at least."""


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
    examiner: Examiner = field(init=False)
    seconds: dict[str, float] = field(default_factory=lambda: {"check": 0.0, "time": 0.0})

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
                results.append(self._time(case, sets))
        return results

    @contextmanager
    def _clocked(self, stage: str) -> Iterator[None]:
        begin = time.monotonic()
        try:
            yield
        finally:
            self.seconds[stage] += time.monotonic() - begin

    def check(self, case: str, sets: Sequence[InputSet]) -> None:
        """Compare with the oracle on all sets, which stay with the candidate."""
        self.notice("checking")
        may_mutate = case in self.crew.describe()[1]
        check_contender(self.candidate, sets, self.examiner, may_mutate=may_mutate)

    def _time(self, case: str, sets: Sequence[InputSet]) -> CaseRatios:
        fitting = max(2, MAX_RESIDENT_BYTES // max(1, sets[0].input_bytes))
        resident = {str(index): inputs for index, inputs in enumerate(sets[:fitting])}
        self.candidate.drop([str(index) for index in range(len(resident), len(sets))])
        baselines = self.crew.baselines(self.notice)
        reserve([*baselines.values()], sets[0], len(resident), self.memory_bytes)
        reserve([self.candidate], sets[0], 0, self.memory_bytes)  # it has the sets already
        for slot, inputs in resident.items():
            for contender in baselines.values():
                contender.put(slot, inputs)
        try:
            series = self._measure(case, resident, {CANDIDATE: self.candidate, **baselines})
        finally:
            for contender in baselines.values():
                contender.drop(list(resident))
        self.candidate.drop(list(resident))
        return summarise(case, series, self.statistics_seed)

    def _measure(self, case: str, resident: dict[str, InputSet], contenders: dict[str, Contender]) -> Series:
        best = self.crew.best_guess(case)
        warmed = self.crew.warmed[case]
        plan = plan_for(
            warmed[best].seconds,
            warmed[EAGER].overhead_s,
            len(contenders) + 1,
            self.blocks,
            tuple(resident),
            self.budget_s,
        )
        audit = Audit(self, resident)
        lot = random.Random(secrets.randbits(64))  # noqa: S311 - seeded from the operating system's entropy
        series = measure(contenders, plan, lot, best, after_call=audit.after_call, notice=self.notice)
        audit.finish(contenders[CANDIDATE])
        told = clock_disagreement(series, plan)
        if told is not None:
            raise Rejected("cheat.clock_disagreement", told)
        return series


def reserve(contenders: Sequence[Contender], inputs: InputSet, resident: int, memory_bytes: int) -> None:
    """Have each hold what it needs while a case is timed: sets, copies, and outputs with what leads to them."""
    size = (resident + BUFFERS) * inputs.input_bytes + RESERVED_OUTPUTS * inputs.output_bytes
    size = min(size, MAX_RESERVED_BYTES, int(memory_bytes * RESERVED_SHARE))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda contender: contender.reserve(size), contenders))


class Audit:
    """Takes the output of some timed calls of the candidate, chosen by lot after the call, and examines it."""

    def __init__(self, trial: Trial, resident: dict[str, InputSet]) -> None:
        self._trial = trial
        self._resident = resident
        self._unseen = set(resident)
        self._last: str | None = None

    def after_call(self, name: str, slot: str) -> None:
        """Examine one call in four, until each set had one."""
        if name != CANDIDATE:
            return
        self._last = slot
        if slot in self._unseen and secrets.randbelow(4) == 0:
            self._take(slot)

    def _take(self, slot: str) -> None:
        inputs = self._resident[slot]
        outputs, _ = self._trial.candidate.ship(inputs)
        try:
            self._trial.examiner.require(outputs, inputs, list(self._resident.values()))
        except Rejected as error:
            raise Rejected(error.reason, f"in a timed call: {error.detail}", facts=error.facts) from error
        self._unseen.discard(slot)
        self._last = None

    def finish(self, candidate: Contender) -> None:
        """The last call is always examined."""
        if self._last is not None:
            self._take(self._last)


def unseen_shapes(crew: Crew, candidate: Contender, notice: Callable[[str], None]) -> bool | None:
    """Try other sizes of the leading dimension.

    True if it refuses one with an error, False if it answers all, None if the reference takes none itself.
    Raises Rejected for a wrong answer.
    """
    tried = refused = False
    for case in crew.cases:
        for rows in other_sizes(crew, case):
            inputs = crew.oracle.make(case, rows)
            if inputs is None:
                continue
            tried = True
            notice(f"trying {rows} rows")
            try:
                candidate.put("unseen", inputs)
                candidate.arrange("unseen")
                candidate.go()
                outputs, _ = candidate.ship(inputs)
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
