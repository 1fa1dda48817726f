"""What a candidate answers while it is timed: every answer is compared, and some windows are there to be looked at."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tools.benchmarking import CANDIDATE, Plan, Timed, a_lot
from tools.checking import (
    is_alive,
    require_own_memory,
    require_unchanged,
    tolerating,
)
from tools.contender import Call, Contender, Rejected
from tools.crew import Crew
from tools.dresses import DRESS_WORDS, PROBE_DRESSES, dresses_for
from tools.errors import JudgeUnavailable
from tools.examining import Examiner
from tools.inputs import Draw, InputSet, Manners

ORACLE_SHARE = 6
"""Of so many rounds of timed windows one is compared with the oracle itself, by lot; all are with the best baseline."""
PROBES = 4
"""Windows of a case that look like timed ones and have unusual values among the others: whoever is careful only while
it is checked is found out there.
"""
PROBED_CALLS = 3
"""Calls with unusual values in such a window, at most."""
PROBES_BYTES = 512 << 20
"""Of memory that these may take; there is one, however large it is."""


@dataclass
class Audit:
    """Draws the inputs of timed windows, and examines every answer of the candidate to them.

    An answer is compared with the best baseline's, from the same round. One that differs more than an honest one may,
    and those of rounds chosen by lot beforehand, are compared with the oracle.
    """

    crew: Crew
    candidate: Contender
    examiner: Examiner
    form: InputSet
    """Any answered set of the case."""
    plan: Plan
    baseline: Contender
    manners: Manners
    recorded: bool = False
    """Whether calls by themselves are recorded beforehand, on a device; no more once one could not be."""
    refused: bool = field(default=False, init=False)
    """The candidate raised an error instead of answering unusual values."""
    _round: int = field(default=-1, init=False)
    _probes: dict[int, tuple[list[InputSet], list[Draw]]] = field(default_factory=dict, init=False)
    """By round: unusual sets, and the ordinary ones among which they come."""
    _with_oracle: int = field(default_factory=lambda: secrets.randbelow(ORACLE_SHARE), init=False)
    _sets: list[Draw] = field(default_factory=list, init=False)
    _mine: list[list[bytearray]] = field(default_factory=list, init=False)
    _theirs: list[list[bytearray]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._lot = a_lot()
        rounds, warm_up = self.plan.blocks * self.plan.windows, self.plan.warm_up
        # All of it now: how long it takes between two windows would tell which one it is for.
        for number, probe in enumerate(self._made()):
            first, last = rounds * number // PROBES, max(1, rounds * (number + 1) // PROBES)
            self._probes[warm_up + self._lot.randrange(first, last)] = probe

    def draw(self) -> list[Draw]:
        """New inputs for one round; in some rounds, for one of its calls, the oracle has answered too."""
        case, calls = self.form.case, self.plan.calls
        self._round += 1
        self._sets = self.crew.oracle.draw(case, calls)
        self._mine, self._theirs = [], []
        if self._round % ORACLE_SHARE == self._with_oracle:
            answered = self.crew.make(case)
            if answered is not None:
                self._sets[secrets.randbelow(calls)] = answered
            self._with_oracle = secrets.randbelow(ORACLE_SHARE)
        return self._sets

    def after_window(self, name: str) -> None:
        """Read the answers, and compare once both are there."""
        if name == CANDIDATE:
            require_unchanged(self.candidate, self.manners)
            self._mine = self._read(self.candidate)
        elif name == self.baseline.name:
            try:
                self._theirs = self._read(self.baseline)
            except Rejected as error:
                raise JudgeUnavailable(f"the {name} baseline gave no readable answer: {error}") from error
        if self._mine and self._theirs:
            self._compare_with(self._theirs)

    def aside(self) -> None:
        """In a few rounds: one more window of the candidate, with unusual values in some of its calls."""
        unusual, sets = self._probes.pop(self._round, ([], []))
        if not unusual:
            return
        places = self._lot.sample(range(len(sets)), len(unusual))
        for place, inputs in zip(places, unusual, strict=True):
            sets[place] = inputs
        with self._tolerating("unusual values, met while it was timed"):
            self.candidate.lay(sets, again=self._lot.random() < 0.5)
            self.crew.flush()
            self.candidate.go()
            require_unchanged(self.candidate, self.manners)
            answers = [self.candidate.outputs(self.form, place) for place in places]
            require_own_memory(self.candidate, list(zip(unusual, places, strict=True)), answers, self.manners)
            for answer, inputs in zip(answers, unusual, strict=True):
                with self._tolerating(DRESS_WORDS[inputs.dress or ""]):
                    self.examiner.require(answer, inputs)

    def _made(self) -> Iterator[tuple[list[InputSet], list[Draw]]]:
        """For one window each: sets that the reference answers and that look like any other until their values are
        read, each in another dress; and so many ordinary ones as the window has calls.
        """
        deck: list[str] = []
        held = 0
        for _ in range(PROBES):
            found: list[InputSet] = []
            for _ in range(min(PROBED_CALLS, self.plan.calls)):
                if not deck:
                    dresses = dresses_for(self.form, PROBE_DRESSES)
                    deck = self._lot.sample(dresses, len(dresses))
                made = None if held > PROBES_BYTES else self.crew.make(self.form.case, dress=deck.pop())
                if made is not None and made.packed == self.form.packed:
                    found.append(made)
                    held += made.held_bytes
            if found:
                ordinary = list(self.crew.oracle.draw(self.form.case, self.plan.calls))
                held += sum(drawn.input_bytes for drawn in ordinary)
                yield found, ordinary

    def _tolerating(self, words: str) -> AbstractContextManager[None]:
        return tolerating(words, self._note_refusal, lambda: is_alive(self.candidate))

    def _note_refusal(self) -> None:
        self.refused = True

    def _read(self, contender: Contender) -> list[list[bytearray]]:
        return [contender.outputs(self.form, which, lasting=False) for which in range(len(self._sets))]

    def alone(self) -> tuple[Call, Call]:
        """A window of one call, the candidate's and the best baseline's: both are recorded beforehand, or neither is,
        since a call that is not takes what its host takes besides.
        """
        about = self.crew, self.candidate, self.baseline, self.examiner, self.form, self._lot
        calls = compared_alone(*about, recorded=self.recorded)
        if self.recorded and not all(call.recorded for call in calls):
            self.recorded = False
            calls = compared_alone(*about, recorded=False)
        return calls

    def _compare_with(self, theirs: list[list[Any]]) -> None:
        try:
            require_alike(self.crew, self.examiner, self.form, self._sets, self._mine, theirs)
        except Rejected as error:
            raise Rejected(error.reason, f"in a timed call: {error.detail}", facts=error.facts) from error
        self._mine, self._theirs = [], []


def one_call_each(
    pair: Mapping[str, Timed],
    inputs: Draw,
    lot: random.Random,
    flush: Callable[[], None],
    after_window: Callable[[str], None] = lambda name: None,
    *,
    recorded: bool = False,
) -> dict[str, Call]:
    """A window of one call each, on the same inputs and in random order: who answers several calls at once has nothing
    of it here. ``recorded``: on a device, without what the host takes to ask for it, which among others it hides.
    """
    calls = {}
    for name in lot.sample(list(pair), len(pair)):
        pair[name].lay([inputs], recorded=recorded)
        flush()
        calls[name] = pair[name].go()
        after_window(name)
    return calls


def compared_alone(
    crew: Crew,
    candidate: Contender,
    baseline: Contender,
    examiner: Examiner,
    form: InputSet,
    lot: random.Random,
    *,
    recorded: bool = False,
) -> tuple[Call, Call]:
    """``one_call_each`` of candidate and baseline, on new inputs. Raises Rejected unless the candidate's is right."""
    (inputs,) = crew.oracle.draw(form.case, 1)
    pair = {candidate.name: candidate, baseline.name: baseline}
    answers: dict[str, list[bytearray]] = {}

    def read(name: str) -> None:
        answers[name] = pair[name].outputs(form, lasting=False)

    calls = one_call_each(pair, inputs, lot, crew.flush, read, recorded=recorded)
    mine, theirs = candidate.name, baseline.name
    try:
        require_alike(crew, examiner, form, [inputs], [answers[mine]], [answers[theirs]])
    except Rejected as error:
        raise Rejected(error.reason, f"in a timed call: {error.detail}", facts=error.facts) from error
    return calls[mine], calls[theirs]


def require_alike(
    crew: Crew,
    examiner: Examiner,
    form: InputSet,
    sets: Sequence[Draw],
    mine: Sequence[list[Any]],
    theirs: Sequence[list[Any]],
) -> None:
    """Compare the answers of a window with a baseline's, and with the oracle's where that does not decide, or where it
    has answered. On a device all of them lie there until the next window of whoever gave them. Raises Rejected.
    """
    plain = [index for index, inputs in enumerate(sets) if not isinstance(inputs, InputSet)]
    if crew.on_device is None:
        alike = [examiner.resembles(mine[index], theirs[index], form) for index in plain]
    else:
        answers, others = ([whose[index] for index in plain] for whose in (mine, theirs))
        alike = crew.on_device.resemble(examiner, form, answers, others)
    decided = {index for index, is_alike in zip(plain, alike, strict=True) if is_alike}
    for index, inputs in enumerate(sets):
        if isinstance(inputs, InputSet):
            examiner.require(mine[index], inputs)
        elif index not in decided:
            answered = crew.oracle.make(form.case, seed=inputs.seed)
            if answered is None or answered.inputs != inputs.inputs:
                raise JudgeUnavailable("the problem's inputs are not determined by torch's seed")
            examiner.require(mine[index], answered)
