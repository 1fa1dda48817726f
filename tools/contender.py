"""A model in a worker, as the judge calls it: show it inputs, let it run, stop it, read its memory, believe nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tools.arena import Arena
from tools.device.bank import DeviceBytes
from tools.errors import JudgeUnavailable
from tools.harness.wire import FLAG_OVERRUN, FLAG_RECORDED, Leaf, Record
from tools.harness.yardstick import ErrorFacts
from tools.inputs import Draw, InputSet
from tools.oracle import Constructor, sizes
from tools.verdict import CheckResult
from tools.worker import Worker, WorkerFailed

Form = dict[str, Any]
"""``spec`` and ``tensors`` of a draw, without its values."""


class Rejected(Exception):
    """The candidate is at fault; ends its judgement."""

    def __init__(
        self, reason: str, detail: str, log: str = "", facts: tuple[ErrorFacts | None, ...] = (None, None, None)
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.log = log
        self.facts = facts
        """The candidate's error, eager's, and the bound."""

    def to_check(self, seeds: int) -> CheckResult:
        """As the result of a failed check."""
        error, eager_error, bound = self.facts
        return CheckResult(
            passed=False,
            reason=self.reason,
            detail=self.detail,
            log=self.log,
            error=error,
            eager_error=eager_error,
            bound=bound,
            seeds=seeds,
        )


@dataclass(frozen=True)
class Call:
    """One window: one or more calls in a row."""

    claimed_s: float
    """What the worker says that the calls took."""
    answered_s: float
    """By the controller's clock: from before the worker could run, and so could see the inputs, to its record."""
    window_s: float
    """By the same clock, until it stood still."""
    looking_s: float
    """How much of that was looking whether it does; none where somebody saw the outputs before."""
    calls: int = 1
    laid_s: float = 0.0
    """What getting ready for it took, by the controller's clock, until it was held; looking taken off."""
    recorded: bool = False
    """Whether what it asks of a device was recorded beforehand, by its own word."""


class Contender:
    """A loaded model. ``blame`` says what its failures mean: a rejection, or a fault of ours.

    It runs only when it is asked something. Before a window it is told places and shapes (``lay``) and held; then the
    values are put there; ``go`` lets it run until it says that it is done, and holds it again. What is in its memory
    at that moment is its answer.
    """

    def __init__(self, name: str, worker: Worker, blame: Callable[[WorkerFailed], Exception]) -> None:
        self.name = name
        self._worker = worker
        self._blame = blame
        self._calls = 0
        self._laid_s = 0.0
        self._recorded = False
        self._addresses: list[int] = []

    def load(self, path: str, constructor: Constructor, *, with_state: bool = True, forms: Sequence[Form] = ()) -> None:
        """Import the candidate's file and construct ``ModelNew``. ``forms``: of inputs, for which kernels are compiled
        that otherwise would be when they are first launched.
        """
        if with_state:
            self._attach(constructor.bank)
        count = len(constructor.tensors) if with_state else constructor.init_tensors
        body = {
            "path": path,
            "class": "ModelNew",
            "seed": constructor.seed,
            "init": constructor.init,
            "tensors": constructor.tensors[:count],
            "state": constructor.state if with_state else {},
            "forms": list(forms),
            "backward": constructor.backward,
        }
        self._ask("load", body, constructor.payload[:count])

    def _attach(self, bank: Any) -> None:
        if bank is None:
            return
        try:
            self._arena().attach(self._worker, bank)
        except WorkerFailed as error:
            raise JudgeUnavailable(f"the {self.name} process got no memory of the device: {error.detail}") from error

    def open_problem(self, body: dict[str, object], bank: Any = None) -> None:
        """Have a trusted worker import the user's problem file and construct its model. Raises WorkerFailed.

        ``bank``: of the device that the model is for.
        """
        self._attach(bank)
        self._worker.ask_facts("problem", body, lambda facts: sizes(facts["tensors"]))

    def reserve(self, size_bytes: int) -> None:
        """Have so much memory mapped and touched before anything is timed; once is enough."""
        self._ask("reserve", {"bytes": size_bytes})

    def forget(self) -> None:
        """Make it drop its outputs."""
        self._addresses = []
        self._ask("forget")

    def lay(
        self,
        sets: Sequence[Draw],
        *,
        poison: int = 0,
        guarded: bool = False,
        misaligned: bool = False,
        fenced: bool = False,
        again: bool = False,
        recorded: bool = False,
    ) -> None:
        """Prepare one call on each of ``sets``, hold the worker, put the values in place.

        ``poison``: a byte for memory that changes hands in the worker; ``guarded``: zones around tensors it makes;
        ``misaligned``: inputs one element off any alignment; ``fenced``: inputs that end where readable memory does;
        ``again``: inputs at the addresses of the last window; ``recorded``: what the calls ask of a device is recorded
        beforehand, so that the window has nothing of its host's code (and nobody minds how long that takes).
        """
        arena = self._arena()
        places = arena.place(sets, misaligned=misaligned, fenced=fenced, again=again)
        began = time.perf_counter()
        record = self._ask("lay", {**places, "poison": poison, "guarded": guarded, "recorded": recorded})
        self._recorded = bool(record.flags & FLAG_RECORDED)
        try:
            self._worker.hold()
        except WorkerFailed as error:
            raise self._blame(error) from error
        self._laid_s = 0.0 if recorded else time.perf_counter() - began - self._worker.looking_s
        arena.fill(suspicious=not self._worker.is_trusted)
        self._calls = len(sets)

    def go(self) -> Call:
        """Make the calls."""
        arena = self._arena()
        if trouble := arena.arm():
            self.close()
            raise self._blame(WorkerFailed(*trouble, self.log()))
        arena.watch(self._worker.timeout_s)
        try:
            window = self._worker.go()
        except WorkerFailed as error:
            arena.give_up()
            raise self._blame(error) from error
        except BaseException:
            arena.give_up()
            raise
        seen = arena.seen()
        self._require_arena()
        self._addresses = seen.addresses
        if seen.early or (seen.at is not None and seen.at < window.began):
            self.close()
            detail = "it said where its outputs lie before it was let go"
            raise self._blame(WorkerFailed("cheat.forged_record", detail, self.log()))
        if not self._worker.is_trusted and (trouble := arena.trouble()):
            self.close()
            raise self._blame(WorkerFailed(*trouble, self.log()))
        claimed_s = window.record.elapsed_ns / 1e9
        window_s, looking_s = window.window_s, window.looking_s
        if seen.at is not None:  # then it has ended before anybody looks whether all stands still
            window_s, looking_s = max(seen.at - window.began, window.answered_s), 0.0
        return Call(claimed_s, window.answered_s, window_s, looking_s, self._calls, self._laid_s, self._recorded)

    def note(self) -> str:
        """See ``Arena.note``."""
        return self._arena().note()

    def run(self, sets: Sequence[Draw], **options: Any) -> Call:
        """``lay`` and ``go``."""
        self.lay(sets, **options)
        return self.go()

    def outputs(self, form: InputSet, which: int = 0, *, lasting: bool = True) -> list[Any]:
        """The answer to call ``which`` of the last window, as it was when the window closed.

        Its bytes are read where the worker says they are; how many, ``form`` says. Raises Rejected. On a device they
        stay where they are until the next window; ``lasting``: what they were can be told after that too.
        """
        found = self._read(form, which)
        if found is None:
            self.require_form(form, which)
            raise Rejected("wrong_output.unreadable", "its output is not in its memory")
        for raw in found if lasting else ():
            if isinstance(raw, DeviceBytes):
                raw.freeze()
        return found

    def _read(self, form: InputSet, which: int) -> list[Any] | None:
        leaves, addresses = len(form.expected), self._addresses
        mine = addresses[which * leaves : (which + 1) * leaves]
        if len(addresses) % leaves or len(mine) != leaves:
            return None
        found = []
        for address, item in zip(mine, form.expected, strict=True):
            try:
                raw = self._arena().read(self._worker, address, item.leaf.size_bytes)
            except WorkerFailed as error:
                raise self._blame(error) from error
            if raw is None:
                return None
            found.append(raw)
        return found

    def what_changed(self) -> str | None:
        """``input`` or ``guard`` if the last window wrote over one, else None."""
        return self._arena().what_changed()

    def spoil_inputs(self) -> None:
        """Write over the inputs of the last window. The worker is held."""
        self._arena().spoil()

    def require_still(self) -> None:
        """Raises what ``blame`` says if anything of it ran since it was held: what was read then counts for nothing."""
        try:
            self._worker.require_still()
        except WorkerFailed as error:
            raise self._blame(error) from error

    def require_form(self, form: InputSet, which: int = 0) -> bool:
        """Raises Rejected unless the output is nested, shaped and typed as ``form`` says.

        True if the calls wrote beside what they made, as far as guard zones tell. The worker runs meanwhile, so
        what is to be read must have been read.
        """
        record = self._ask("form", {"which": which})
        self._require_form(record, form)
        return bool(record.flags & FLAG_OVERRUN)

    @property
    def most_calls(self) -> int:
        """Of a window."""
        return self._arena().most_calls

    def _arena(self) -> Arena:
        assert self._worker.arena is not None
        return self._worker.arena

    def _require_form(self, record: Record, inputs: InputSet) -> None:
        wanted = [item.leaf for item in inputs.expected]
        if record.structure != inputs.structure or len(record.leaves) != len(wanted):
            self.close()
            raise Rejected("wrong_output.structure", "the output is nested otherwise than the reference's")
        for index, (claim, leaf) in enumerate(zip(record.leaves, wanted, strict=True)):
            kind = _difference(claim, leaf)
            if kind:
                self.close()
                raise Rejected(f"wrong_output.{kind}", f"output {index} is {claim}; the reference gives {leaf}")

    def _ask(self, op: str, body: dict[str, object] | None = None, payload: Sequence[bytearray] = ()) -> Record:
        if op != "lay" and self._worker.arena is not None:
            self._worker.arena.disturb()
        try:
            record = self._worker.ask(op, body, payload)
        except WorkerFailed as error:
            raise self._blame(error) from error
        self._require_arena()
        return record

    def _require_arena(self) -> None:
        """Raises what ``blame`` says if the worker, which is held by now, took memory that is for others."""
        if not self._arena().has_its_size():
            self.close()
            detail = "it changed the size of the memory in which it is given its inputs"
            raise self._blame(WorkerFailed("cheat.arena", detail, self.log()))

    def log(self) -> str:
        """End of what it wrote to standard error."""
        return self._worker.log()

    def close(self) -> None:
        """Kill its worker."""
        self._worker.close()


def _difference(claim: Leaf, wanted: Leaf) -> str | None:
    if claim.shape != wanted.shape:
        return "shape"
    if claim.dtype != wanted.dtype:
        return "dtype"
    return "type" if claim.is_number != wanted.is_number else None


def reject(error: WorkerFailed) -> Rejected:
    """What a candidate's failure means."""
    return Rejected(error.reason, error.detail, error.log)


def blame_ourselves(name: str) -> Callable[[WorkerFailed], Exception]:
    """What a baseline's failure means."""
    return lambda error: JudgeUnavailable(f"the {name} process failed: {error.detail}")
