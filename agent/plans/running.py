"""Runs a plan to its end: one operator after another, each as a run like any other, until nothing is left to do.

May be killed at any moment and begun again: what has ended is not run again, what was cut short is resumed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent.control import CONTROL, ControlFile
from agent.errors import AgentError, RunError, RunInterrupted
from agent.events import Event, EventLog, Subscriber, read_events
from agent.folder import write_atomically
from agent.ledger import Ledger
from agent.models.outages import DEFAULT_LIMIT_S
from agent.models.waiting import SLICE_S, Clock
from agent.outcome import Outcome
from agent.plans.allotting import CLOSE_CALL_SHARE, Refusal, Spent, allot, next_entry
from agent.plans.events import MAX_ATTEMPTS, PLAN_EVENTS, PlanState
from agent.plans.folder import PlanFolder
from agent.plans.outcome import PlanOutcome, to_outcome
from agent.plans.plan import Budget, Entry, Plan
from agent.plans.report import plan_files
from agent.run import Seams, optimize, resume
from agent.settings import AgentSettings
from agent.space import Space
from agent.starting import Start
from agent.steering import ASKED
from agent.stopping import StopFlag, stop_on_signals
from memory.errors import StoreError
from sandbox.errors import SandboxError
from tools.errors import RequestError, ToolError
from tools.full_disk import patiently
from tools.problem import CLOSE_CALL_S, Problem

FIRST_PAUSE_S = 60.0
"""Before an entry that failed is tried once more, when there is nothing else to do; twice as long the next time."""
MAX_CRASHES = 8
"""Times the process may end in the middle of one entry before that is given up."""
_INFRASTRUCTURE = (AgentError, ToolError, SandboxError, StoreError, OSError, sqlite3.Error)


def run_plan(
    folder: PlanFolder,
    *,
    told: Sequence[Subscriber] = (),
    subscribers: Sequence[Subscriber] = (),
    seams: Seams | None = None,
) -> PlanOutcome:
    """Begin or go on; ``told`` get the plan's own events, ``subscribers`` those of its runs.

    What fails is told of its entry and the others go on. Raises RequestError if another process works on the plan,
    RunError where its folder cannot be used.
    """
    seams = seams or Seams()
    plan = folder.plan()
    with ExitStack() as stack:
        log = EventLog(folder.events, clock=seams.clock, types=PLAN_EVENTS, durable=PLAN_EVENTS)
        stack.enter_context(closing(log))
        clock = Clock(seams.clock, seams.sleep)
        leave = seams.stop.check
        about = (folder.path,), log, clock
        space = Space(*about, leave=leave, leave_log=leave, inactive=log.inactive, free=seams.free)
        log.when_full = space.when_log_is_full
        state = PlanState.of(log.history)
        for subscriber in (state.note, *told):
            log.subscribe(subscriber)
        night = _Night(folder, plan, log, state, space, clock, seams, tuple(subscribers))
        if state.finished is None:
            night.work(list(log.history))
    return to_outcome(folder, plan, state)


class _EntryStop(StopFlag):
    """Asks one run to stop; that the whole plan is to stop, every run hears."""

    def __init__(self, whole: StopFlag) -> None:
        super().__init__()
        self._whole = whole

    @property
    def requested(self) -> bool:
        return super().requested or self._whole.requested

    def check(self) -> None:
        self._whole.check()
        super().check()


@dataclass
class _Night:
    """One stretch of work on a plan."""

    folder: PlanFolder
    plan: Plan
    log: EventLog
    state: PlanState
    space: Space
    clock: Clock
    seams: Seams
    subscribers: tuple[Subscriber, ...]
    crashes: dict[str, int] = field(default_factory=dict)
    """Times an entry was found cut short since it last got to an end."""
    failed_at: dict[str, float] = field(default_factory=dict)
    is_paused: bool = False
    is_finishing: bool = False

    def __post_init__(self) -> None:
        self._control = ControlFile(self.folder.path / CONTROL)
        while self._control.read_new()[0]:
            pass  # asked of an earlier stretch

    def work(self, history: Sequence[Event]) -> None:
        """Until nothing is left, or somebody asked to stop."""
        for event in history:
            if event.type in ("entry_started", "entry_resumed", "entry_ended"):
                name = event.data["entry"]
                self.crashes[name] = 0 if event.type == "entry_ended" else self.crashes.get(name, 0) + 1

        def tell(text: str) -> None:
            with suppress(RunError, RunInterrupted):
                self.log.emit("warning", text=text)

        with stop_on_signals(self.seams.stop, tell, lambda: None):
            try:
                self._announce()
                while (entry := next_entry(self.plan, self.state)) is not None:
                    self._seam()
                    self._one(entry)
                    self._publish()
                self._finish()
            except RunInterrupted as error:
                message = f"interrupted by {error}: go on with `kernelwright run {self.plan.plan_id}`"
                with suppress(RunError, RunInterrupted, OSError):
                    self.log.emit("plan_interrupted", message=message)
                    self._publish()

    def _announce(self) -> None:
        if self.state.has_started:
            self.log.emit("plan_resumed", plan_id=self.plan.plan_id)
            return
        names = [entry.name for entry in self.plan.entries]
        self.log.emit("plan_started", plan_id=self.plan.plan_id, name=self.plan.name, entries=names)

    def _seam(self) -> None:
        """Between two entries: what was asked of the plan. Raises RunInterrupted if it is to stop."""
        self._listen()
        if not self.is_paused:
            return
        self.log.emit("waiting", what="pause", text="to be told to go on")
        with self.log.inactive():
            while self.is_paused:
                self.clock.wait(SLICE_S, self._listen)

    def _listen(self) -> None:
        for request in self._control.read_new()[0]:
            kind = request.get("kind")
            if kind in ("pause", "go_on"):
                self.is_paused = kind == "pause"
            elif kind == "finish":
                self.is_finishing, self.is_paused = True, False
            elif kind == "stop":
                self.seams.stop.request(ASKED)
        self.seams.stop.check()

    def _one(self, entry: Entry) -> None:
        """Take one entry as far as it comes now."""
        known = self.state.entry(entry.name)
        if self.is_finishing and not known.is_open:
            self.log.emit("entry_skipped", entry=entry.name, reason="finish")
            return
        if known.is_open and self.crashes.get(entry.name, 0) >= MAX_CRASHES:
            text = f"given up: the process ended {MAX_CRASHES} times while this ran"
            self._end(entry, status="failed", message=text, again=False)
            return
        self.space.wait()
        if known.limits is None:
            limits = allot(self.plan, self.state, entry, self._spent(), now=self.seams.wall())
            if isinstance(limits, Refusal):
                self.log.emit("entry_skipped", entry=entry.name, reason=limits.reason)
                return
            self.log.emit("entry_started", entry=entry.name, limits=limits.model_dump())
        else:
            self._pause_before_again(entry)
            self.log.emit("entry_resumed", entry=entry.name)
        self._run(entry)

    def _run(self, entry: Entry) -> None:
        stop = _EntryStop(self.seams.stop)
        try:
            outcome = self._optimize_or_resume(entry, stop)
        except RequestError as error:
            # A full disk may be what is behind it, and then nothing was wrong with the request.
            self._end(entry, status="refused", message=str(error), again=self.space.is_short())
        except _INFRASTRUCTURE as error:
            self._end(entry, status="failed", message=" ".join(str(error).split()), again=True)
        else:
            self._ended(entry, outcome, stop)

    def _ended(self, entry: Entry, outcome: Outcome, stop: StopFlag) -> None:
        if outcome.status == "interrupted":
            self._listen()
            if stop.cause != ASKED:
                # Signals reach the run, which has its own flag while it goes on.
                raise RunInterrupted(stop.cause)
            about = {"run_id": outcome.run_id, "stop_reason": None}
            self._end(entry, status="interrupted", message="stopped by a request", again=False, **about)
            return
        lost = outcome.status == "failed" or outcome.stop_reason == "model_unavailable"
        about = {"run_id": outcome.run_id, "stop_reason": outcome.stop_reason}
        self._end(entry, status=outcome.status, message=outcome.message, again=lost, **about)

    def _end(self, entry: Entry, *, status: str, message: str, again: bool, **about: str | None) -> None:
        more = again and self.state.entry(entry.name).attempts + 1 < MAX_ATTEMPTS
        told = {"run_id": None, "stop_reason": None, **about}
        self.log.emit("entry_ended", entry=entry.name, status=status, message=message, again=more, **told)
        self.failed_at[entry.name] = self.clock.now()

    def _optimize_or_resume(self, entry: Entry, stop: StopFlag) -> Outcome:
        path = self.folder.run(entry.name)
        seams = Seams(**{**vars(self.seams), "stop": stop})
        if (path / "run.json").is_file():
            return resume(path, subscribers=self.subscribers, seams=seams)
        limits = self.state.entry(entry.name).limits
        assert limits is not None
        return optimize(
            Problem(entry.problem.name, entry.problem.text),
            run_settings(self.plan, entry, limits, self.folder, waits=self._has_answered(entry)),
            starts=[Start(one.name, one.text) for one in entry.starts],
            subscribers=self.subscribers,
            seams=seams,
        )

    def _pause_before_again(self, entry: Entry) -> None:
        """Something that failed a moment ago would fail again."""
        known = self.state.entry(entry.name)
        if known.is_open or entry.name not in self.failed_at:
            return
        until = self.failed_at[entry.name] + FIRST_PAUSE_S * 2 ** (known.attempts - 1)
        left = until - self.clock.now()
        if left > 0:
            assert known.ended is not None
            text = f"{left:.0f} s and tries {entry.name} again, which failed: {known.ended['message']}"
            self.log.emit("waiting", what="again", text=text)
            with self.log.inactive():
                self.clock.wait(left, self.seams.stop.check)

    def _finish(self) -> None:
        ends = [str((self.state.entry(one.name).ended or {}).get("status", "skipped")) for one in self.plan.entries]
        counts = {status: ends.count(status) for status in dict.fromkeys(ends)}
        message = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items())
        self.log.emit("plan_finished", ended=counts, message=message)
        self._publish()

    def _publish(self) -> None:
        """The reports, after every entry: a night that is cut short leaves one too."""
        for name, text in plan_files(self.folder, self.plan, self.state):
            path = self.folder.path / name
            patiently(lambda path=path, text=text: write_atomically(path, text), self.space.when_full)  # type: ignore[misc]

    def _spent(self) -> dict[str, Spent]:
        return {entry.name: spent_by(self.folder.run(entry.name)) for entry in self.plan.entries}

    def _has_answered(self, entry: Entry) -> bool:
        """Whether a model of this entry has answered in a run before: its address is right, and it is waited for."""
        models = {*AgentSettings.restore(entry.settings).models}
        logs = [self.folder.run(one.name) / "events.jsonl" for one in self.plan.entries]
        return any(models & Ledger(read_events(log)).answered() for log in logs if log.is_file())


def spent_by(run: Path) -> Spent:
    """What its log says; nothing for a run that has not begun."""
    log = run / "events.jsonl"
    events = read_events(log) if log.is_file() else []
    if not events:
        return Spent()
    ledger = Ledger(events)
    usage = ledger.usage()
    return Spent(events[-1].elapsed_s, usage.tokens, usage.cost_usd or 0.0, len(ledger.all("judged")))


def run_settings(plan: Plan, entry: Entry, limits: Budget, folder: PlanFolder, *, waits: bool) -> AgentSettings:
    """The settings of an entry's run, within its limits. Raises RequestError if they no longer make sense."""
    given = dict(entry.settings)
    given |= {"home": folder.home, "out": folder.run(entry.name)}
    bounds = {"max_tokens": limits.tokens, "max_cost": limits.dollars, "max_candidates": limits.candidates}
    given |= {name: value for name, value in bounds.items() if value is not None}
    due = [when for when in (plan.deadline, entry.deadline) if when is not None]
    given["deadline"] = min(due, default=None)
    if limits.seconds is not None:
        close_s = given["close_call_s"]
        if close_s is None:
            close_s = min(CLOSE_CALL_S, limits.seconds * CLOSE_CALL_SHARE)
        given |= {"close_call_s": close_s, "max_seconds": max(limits.seconds - close_s, limits.seconds / 2)}
    if given["max_outage_seconds"] is None and waits:
        given["max_outage_seconds"] = DEFAULT_LIMIT_S
    return AgentSettings.restore(given)
