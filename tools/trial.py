"""One candidate's trial: checked and timed on every case, in one worker, against a crew's baselines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from tools.auditing import Audit, compared_alone, require_alike
from tools.benchmarking import (
    CANDIDATE,
    MIN_BLOCKS,
    WINDOWS,
    CaseRatios,
    Plan,
    Series,
    a_lot,
    clock_disagreement,
    measure,
    plan_for,
    summarise,
)
from tools.checking import (
    check_contender,
    is_alive,
    require_unchanged,
    require_window,
    tolerating,
)
from tools.contender import Contender, Rejected
from tools.crew import Crew
from tools.dresses import DRESS_WORDS, DRESSES, dresses_for
from tools.errors import JudgeUnavailable
from tools.examining import Examiner
from tools.inputs import InputSet, Manners
from tools.intervals import DEVICE_REPEATABILITY
from tools.pardons import MAYBE_THE_MACHINES
from tools.reserving import reserve
from tools.screening import screen
from tools.verdict import CheckResult

DEVICE_WINDOWS = 1
"""A block: a device is steadier than a processor, and every window there has its price beside it."""
DEVICE_BLOCKS = 0.5
"""Times the blocks of a host: there a window is long, and filling and comparing gigabytes is what it costs."""
DEVICE_DEFERRED_S = 2e-3
"""On a device what is prepared between windows is seen in the candidate's memory; this is for what lies elsewhere.
Getting ready took honest programs up to 1.2 ms longer than eager there (8 of them on an H200, 2026-11-28).
"""
UNRECORDED_S = 200e-6
"""By estimate: what the host takes longer to launch one call in Triton or a module of C++ than eager does, and does
beside the device's work where there are others.
"""
DEVICE_ALONE_ERRORS = 3.0
"""Windows are few there, and each takes 1 ms besides its call, give or take 0.2 ms: within one standard error an honest
ReLU of 30 us was told as 3.4 times as long (one H200, 2026-11-29).
"""
LOOKS = 3
"""Windows of one call that say how many calls a window should have."""
CHECKED_SEEDS = 2
"""Of a check by itself."""
MAX_DRESSED_BYTES = 8 << 20
"""Larger inputs are cut to fewer rows before they are dressed: what is tried there does not depend on their number."""


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
    only_best: bool = False
    """Whether it is timed beside the best baseline alone."""
    refused: bool = field(default=False, init=False)
    """It raised an error instead of answering unusual inputs."""
    recorded: bool = field(default=False, init=False)
    """On a device: a call of it by itself can be recorded beforehand."""
    _pardoned: bool = field(default=False, init=False)
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
            form = sets[0]
            del sets  # or else large ones would lie about all the time that is measured
            with self._clocked("time"):
                baselines, best = self.crew.baselines(self.notice), self.crew.best_guess(case)
                beside = {best: baselines[best]} if self.only_best else baselines
                results.append(self._time(case, form, beside, best))
        return results

    def again(self, open_candidate: Callable[[], Contender], cases: Sequence[CaseRatios]) -> list[CaseRatios]:
        """Time anew, with a fresh process of the candidate and of what was the best baseline of each case.

        Once, a candidate that took too long or too much memory, which is as likely the machine's doing after all that
        went well, is given another try.
        """
        try:
            return self._sit(open_candidate, cases)
        except Rejected as error:
            if error.reason not in MAYBE_THE_MACHINES or self._pardoned:
                raise
            self._pardoned = True
            return self._sit(open_candidate, cases)

    def _sit(self, open_candidate: Callable[[], Contender], cases: Sequence[CaseRatios]) -> list[CaseRatios]:
        self.notice("a close call: measuring on with fresh processes")
        with ExitStack() as stack, self._clocked("close call"):

            def opened(opening: Callable[[], Contender]) -> Contender:
                contender = opening()
                stack.callback(contender.close)  # whatever becomes of the others
                return contender

            names = {case.best for case in cases}
            with ThreadPoolExecutor(len(names)) as pool:
                waiting = {name: pool.submit(opened, partial(self.crew.understudy, name)) for name in names}
                # All of them before any code of the candidate's runs: it could take memory they are about to need.
                ready = {name: understudy.result() for name, understudy in waiting.items()}
            other = replace(self, candidate=opened(open_candidate))
            other.recorded = self.recorded
            results = []
            for case in cases:
                name, best = case.verdict.name, case.best
                form = self.crew.draw(name, 1)[0]
                results.append(other._time(name, form, {best: ready[best]}, best))
            self.refused |= other.refused
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
        manners = self._manners(case)
        check_contender(self.candidate, sets, self.examiner, manners)
        rows = rows_within(sets[0], MAX_DRESSED_BYTES)
        for dress in dresses_for(sets[0], self.dresses):
            self._check_dressed(case, dress, rows, manners)
        if self.dresses:
            with self._tolerating("inputs one element off any alignment"):
                require_window(self.candidate, sets[:1], self.examiner, manners, misaligned=True)
            # Where a page ends is off any alignment too, as a rule.
            with self._tolerating("inputs that end where readable memory does"):
                self._fenced(sets[0], manners)
        self.recorded = self.crew.on_device is not None and self._answers_recorded(sets[0])

    def _answers_recorded(self, form: InputSet) -> bool:
        """Whether what it asks of a device can be recorded and asked again later: what goes to the legacy stream is
        carried out at once instead, on inputs that are not there yet.
        """
        self.candidate.forget()
        try:
            is_recorded = self.candidate.run([form], recorded=True).recorded
            answer = self.candidate.outputs(form)
        except Rejected:
            if not is_alive(self.candidate):
                raise
            return False
        self.candidate.forget()  # what it did while it was recorded is its own affair
        return is_recorded and self.examiner.examine(answer, form) is None

    def _check_dressed(self, case: str, dress: str, rows: int | None, manners: Manners) -> None:
        inputs = self.crew.make(case, rows, dress)
        if inputs is None and rows is not None:
            inputs = self.crew.make(case, dress=dress)
        if inputs is None:
            return
        with self._tolerating(DRESS_WORDS[dress]):
            require_window(self.candidate, [inputs], self.examiner, manners)

    def _fenced(self, form: InputSet, manners: Manners) -> None:
        try:
            require_window(self.candidate, [form], self.examiner, manners, fenced=True)
        except Rejected as error:
            if error.reason != "crash" and (error.reason != "runtime_error" or is_alive(self.candidate)):
                raise
            detail = f"it reads or writes beyond the end of an input: {error.detail}"
            raise Rejected("out_of_bounds", detail, error.log) from error

    def _tolerating(self, words: str) -> AbstractContextManager[None]:
        return tolerating(words, self._note_refusal, lambda: is_alive(self.candidate))

    def _note_refusal(self) -> None:
        self.refused = True

    def _manners(self, case: str) -> Manners:
        return self.crew.describe()[1][case]

    def _time(self, case: str, form: InputSet, baselines: Mapping[str, Contender], best: str) -> CaseRatios:
        contenders = {CANDIDATE: self.candidate, **baselines}
        warmed = self.crew.warmed[case]
        plan = plan_for(
            warmed[best].seconds,
            warmed[best].overhead_s,
            len(contenders) + 1,
            self.blocks if self.crew.on_device is None else max(MIN_BLOCKS, int(DEVICE_BLOCKS * self.blocks)),
            self.crew.calls_of_a_window(form, self.memory_bytes),
            self.budget_s,
            self._quick_look(form, baselines[best]),
            0 if self.crew.on_device else form.input_bytes + form.output_bytes,
            DEVICE_WINDOWS if self.crew.on_device else WINDOWS,
        )
        reserve([*contenders.values()], form, plan.calls, self.memory_bytes)
        try:
            series = self._measure(case, form, plan, contenders, best)
        finally:
            for contender in baselines.values():
                contender.forget()
        self.candidate.forget()
        return summarise(case, series, self.statistics_seed, self.crew.slower_on(case))

    def _quick_look(self, form: InputSet, baseline: Contender) -> float:
        """Seconds a call by our own clock, of windows of one call: whoever can be quick only by answering many at once
        does not look quick there. What a window takes besides is seen with a baseline, in turns.

        On a device, where a call by itself takes far longer than among others, of windows of several.
        """
        if self.crew.on_device is not None:
            return self._look_on_device(form, baseline)
        lot = a_lot()
        looks = [compared_alone(self.crew, self.candidate, baseline, self.examiner, form, lot) for _ in range(LOOKS)]
        besides_s = min(theirs.window_s - theirs.claimed_s for _, theirs in looks)
        return min(ours.window_s for ours, _ in looks) - besides_s

    def _look_on_device(self, form: InputSet, baseline: Contender) -> float:
        found = []
        for _ in range(LOOKS - 1):
            sets = self.crew.oracle.draw(form.case, self.crew.calls_of_a_window(form, self.memory_bytes))
            theirs = baseline.run(sets)
            ours = self.candidate.run(sets)
            pair = self.candidate, baseline
            answers = [[one.outputs(form, which, lasting=False) for which in range(len(sets))] for one in pair]
            require_alike(self.crew, self.examiner, form, sets, *answers)
            found.append((ours.window_s - (theirs.window_s - theirs.claimed_s)) / len(sets))
        return min(found)

    def _measure(self, case: str, form: InputSet, plan: Plan, contenders: dict[str, Contender], best: str) -> Series:
        manners = self._manners(case)
        about = (self.crew, self.candidate, self.examiner, form, plan, contenders[best], manners)
        audit = Audit(*about, recorded=self.recorded)
        series = measure(
            contenders,
            plan,
            a_lot(),
            best,
            audit.draw,
            flush=self.crew.flush,
            after_window=audit.after_window,
            aside=audit.aside,
            alone=audit.alone,
            notice=self.notice,
            side_by_side=self.crew.on_device is not None,
        )
        self.refused |= audit.refused
        if self.crew.on_device is not None:
            series.deferral_s = DEVICE_DEFERRED_S
            series.alone_errors = DEVICE_ALONE_ERRORS
            series.repeatability = DEVICE_REPEATABILITY
            series.alone_slack_s = series.alone_slack_s if audit.recorded else UNRECORDED_S
        told = clock_disagreement(series)
        if told is not None:
            raise Rejected("cheat.clock_disagreement", told)
        require_possible(series, self.floors_s.get(case, 0.0))
        return series


def require_possible(series: Series, floor_s: float) -> None:
    """Raises Rejected for a candidate that was quicker than its inputs can be read, JudgeUnavailable where it may only
    seem so, for what windows took besides.
    """
    seconds, longest_s = series.timing(CANDIDATE).median_s, series.longest_s(CANDIDATE)
    if seconds >= floor_s:
        return
    floor = f"in less than {floor_s * 1e6:.3g} us"
    if longest_s < floor_s:
        told = f"a call takes {seconds * 1e6:.3g} us; this machine cannot read the inputs, all of which count, {floor}"
        raise Rejected("cheat.below_floor", told)
    raise JudgeUnavailable(
        f"nothing could be timed: a call seems to take {seconds * 1e6:.3g} us, its inputs cannot be read {floor}, and "
        f"it may as well be {longest_s * 1e6:.3g} us; the machine is too busy with other work: judge it again later"
    )


def require_screened(source: str) -> None:
    """Raises Rejected for a text that cannot run."""
    screened = screen(source)
    if screened.reason is not None:
        raise Rejected(screened.reason, screened.detail)


def check_once(crew: Crew, candidate: Contender, statistics_seed: int, memory_bytes: int) -> CheckResult:
    """Compare with the oracle on every case, without timing; the contender is closed. Raises Rejected."""
    trial = Trial(crew, candidate, CHECKED_SEEDS, 0, 0.0, statistics_seed, lambda text: None, memory_bytes)
    try:
        for case in crew.cases:
            trial.check(case, crew.draw(case, CHECKED_SEEDS))
    finally:
        candidate.close()
    return trial.examiner.result(CHECKED_SEEDS)


def rows_within(form: InputSet, size_bytes: int) -> int | None:
    """So many rows of such a set stay within ``size_bytes``; None for all."""
    lengths = [packed[1][0] for packed in form.packed if packed[1]]
    if form.input_bytes <= size_bytes or not lengths or lengths[0] < 2:
        return None
    return max(1, int(lengths[0]) * size_bytes // form.input_bytes)


def unseen_shapes(crew: Crew, candidate: Contender, notice: Callable[[str], None]) -> bool | None:
    """Try other sizes of the leading dimension, none at all last.

    True if it refuses one with an error, or does not survive having nothing to do; False if it answers all; None if
    the reference takes none itself. Raises Rejected for a wrong answer.
    """
    tried = refused = False
    sizes = [(rows, case) for case in crew.cases for rows in other_sizes(crew, case)]
    for rows, case in sorted(sizes, key=lambda item: item[0] == 0):
        inputs = crew.make(case, rows)
        if inputs is None:
            continue
        tried = True
        notice(f"trying {rows} rows")
        try:
            candidate.run([inputs])
            require_unchanged(candidate, crew.describe()[1][case])
            outputs = candidate.outputs(inputs)
            candidate.require_form(inputs)
        except Rejected as error:
            refused = True
            if rows == 0 and error.reason in ("crash", "timeout"):
                break  # nobody is harmed by nothing, and it is gone
            if error.reason != "runtime_error":
                raise Rejected(_unseen(error.reason), f"with {rows} rows: {error.detail}", error.log) from error
            continue
        crew.examiner().require(outputs, inputs, kind="wrong_output.unseen_shape")
    return refused if tried else None


def _unseen(reason: str) -> str:
    return "wrong_output.unseen_shape" if reason.startswith("wrong_output") else reason


def other_sizes(crew: Crew, case: str) -> list[int]:
    """One more, one less, one more than a tile, a prime, one and none; nothing where there is no leading dimension."""
    facts = next(item for item in crew.describe()[0].cases if item.name == case)
    lengths = [item.shape[0] for item in facts.inputs if not isinstance(item, str) and item.shape]
    if not lengths or lengths[0] < 1:
        return []
    rows = lengths[0]
    tile = 1 << max(0, (rows - 2).bit_length() - 1)
    fewer = {rows - 1, tile + 1, prime_below(max(3, rows * 2 // 3)), 1, 0} if rows > 1 else {0}
    return sorted({rows + 1, *fewer} - {rows}, reverse=True)


def prime_below(number: int) -> int:
    """The largest prime smaller than ``number`` (3 or more)."""
    for value in range(number - 1, 1, -1):
        if all(value % divisor for divisor in range(2, int(value**0.5) + 1)):
            return value
    raise JudgeUnavailable(f"no prime below {number}")
