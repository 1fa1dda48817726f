"""The judge: screen, compile, check, time, in processes that trust each other only as far as they must.

Three kinds of workers, each a sandbox job: the oracle and the baselines import the user's problem file, the
candidate's imports the candidate and nothing else. The verdict is computed here, from raw bytes.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sandbox.base import Sandbox
from sandbox.devices import Device, Lease, device_of
from sandbox.errors import SandboxError
from sandbox.leases import Patience
from sandbox.target import Target
from tools.admission import Admission, Blurred, admit
from tools.benchmarking import CASE_BUDGET_S
from tools.caches import Flush
from tools.candidate import Candidate
from tools.ceilings import CeilingStore, Roof
from tools.compiling import Builder
from tools.contender import Rejected
from tools.crew import Crew, Site
from tools.crews import Crews
from tools.dresses import CONFIRM_DRESSES, DRESSES
from tools.errors import JudgeUnavailable, RequestError
from tools.exclusion import Machine
from tools.harness.licence import Licence
from tools.inputs import InputSet
from tools.judge import Notice, silent
from tools.launching import launcher_for
from tools.measuring import QUICK_SEEDS, measure_candidate, time_baselines
from tools.pardons import with_pardon
from tools.problem import Description, JudgeSettings, Problem
from tools.profiling.diagnosis import ProfileResult
from tools.profiling.generated import CodeResult
from tools.profiling.running import Profiling, unbuilt
from tools.screening import screen
from tools.sittings import settle
from tools.trial import CHECKED_SEEDS, Trial, check_once, require_screened, unseen_shapes
from tools.turns import Turns
from tools.verdict import CheckResult, CompileResult, Measurement, Timing, Verdict
from tools.verdicts import accepted, doubts, failed_compile, infrastructure, rejected

T = TypeVar("T")

EXTRA_CONFIRM_SEEDS = 2
CONFIRM_TIMES = 2
"""Times the blocks, and the time for them, of an ordinary judgement."""
FLOOR_MARGIN = 4.0
"""Reading is quicker than copying, and caches are never quite cold; a floor must not touch an honest kernel."""


class SandboxedJudge:
    """Implements ``tools.judge.Judge`` for one problem on one machine."""

    def __init__(
        self,
        problem: Problem,
        sandbox: Sandbox,
        settings: JudgeSettings,
        work_dir: Path,
        cache_dir: Path | None = None,
        language: str = "cpp",
        target: str = "cpu",
        seed: int = 0,
        device: Device | None = None,
        patience: Patience | None = None,
    ) -> None:
        """``work_dir`` is where a private folder is made; ``cache_dir`` keeps baselines' compiled code, and ceilings.
        ``device``: what candidates are called on; default: the target's. ``patience``: how to wait for other processes
        that judge here. Raises SandboxUnavailable where there is no device, JudgeUnavailable if what is needed for it
        cannot be built.
        ``language`` is what most candidates are in; a verdict names its own candidate's. ``seed`` is for the statistics
        only; what a candidate is tested with comes from the system's entropy.
        """
        self.settings = settings
        self._seed = seed
        self._machine = Machine()
        self._measuring = threading.Lock()
        self._lock = threading.RLock()
        work_dir.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="judge-", dir=work_dir))
        self._site = Site(
            problem,
            self._folder / "problem",
            cache_dir / f"inductor-{problem.id}" if cache_dir else self._folder / "inductor",
            settings.memory_bytes,
            settings.compiled,
            settings.autotuned,
        )
        self._device = device = device or device_of(Target.parse(target))
        self._licence = Licence(settings.precision, settings.atol, settings.rtol)
        self._launcher = launcher_for(sandbox, settings, device, self._folder)
        self._lease = Lease(device, patience)
        self._flush = Flush()
        self._usable = self._closed = False
        self._crews = Crews(self._new_crew)
        self._refusal: RequestError | None = None
        kept = CeilingStore(cache_dir / "ceilings" if cache_dir else None)
        self._roof = Roof(kept, device, settings.precision)
        self._admission: Admission | None = None
        self._problem = problem
        self._builder = Builder(
            self._launcher, self._folder, lambda: self._crews.now().constructor(), lambda: self._crews.now().forms()
        )
        self._turns = Turns(device, patience or Patience(), self._builder.settle)
        about = (self._launcher, self._builder, self._site, settings, self._machine)
        self._profiling = Profiling(*about, self._make_room)
        self._about = {"target": target, "isolation": str(sandbox.isolation), "precision": settings.precision}

    def prepare(self) -> None:
        """Start what describes the problem: it imports torch while somebody else may still hold the device."""
        self._crews.now()

    def describe(self) -> Description:
        """See ``tools.judge.Judge``."""
        # A turn is never waited for with the lock in hand: who has the turn may need that.
        with nullcontext() if self._usable else self._turns.shared(), self._lock:
            if self._refusal is not None:
                raise self._refusal
            self._lease.take()
            try:
                description = self._once_again(self._admitted)
            except RequestError as error:
                self._refusal = error
                raise
            self._usable = True
            return description

    def _admitted(self) -> Description:
        """The description of a problem that can be judged. Raises RequestError."""
        crew = self._crews.now()
        description, _ = crew.describe()
        if self._admission is None and self.settings.admission:
            try:
                self._admission = admit(crew, self._licence, self._problem.name)
            except Blurred:  # weights are drawn by lot, and a large one may hide much: another crew has others
                self._crews.forget()
                crew = self._crews.now()
                description, _ = crew.describe()
                self._admission = admit(crew, self._licence, self._problem.name)
        return self._roof.over(description, crew.oracle.machine)

    def baselines(self, notice: Notice | None = None) -> dict[str, dict[str, Timing]]:
        """See ``tools.judge.Judge``."""
        self.describe()
        with self._measuring, self._turns.alone(), self._machine.alone():
            if self._device is not None:  # they import torch while torch.compile works for the baselines
                self._builder.prepare()
            about = self._builder.settle, self.settings.memory_bytes, notice or silent
            found = self._once_again(lambda: time_baselines(self._crews.now(), *about))
        if self._device is not None:
            self._crews.look_ahead()
        return found

    def compile(self, candidate: Candidate) -> CompileResult:
        """See ``tools.judge.Judge``."""
        self.describe()
        screened = screen(candidate.source)
        if screened.reason is not None:
            return CompileResult(ok=False, reason=screened.reason, log=screened.detail)
        with self._turns.shared(), self._machine.shared():
            return self._once_again(lambda: self._builder.compile(candidate))

    def check(self, candidate: Candidate) -> CheckResult:
        """See ``tools.judge.Judge``."""
        built = self.compile(candidate)
        if not built.ok:
            return CheckResult(passed=False, reason=built.reason, detail=failed_compile(built), log=built.log)
        alone = self._device is not None  # a device has one place
        with self._turns.shared(), self._machine.alone() if alone else self._machine.shared():
            return self._once_again(lambda: self._check(candidate))

    def profile(self, candidate: Candidate, profiler: str = "auto") -> ProfileResult:
        """See ``tools.judge.Judge``."""
        work = partial(self._profiling.profile, candidate, profiler)
        with self._turns.shared():
            built = self.compile(candidate)
            return self._once_again(work) if built.ok else unbuilt(profiler, built)

    def code(self, candidate: Candidate) -> CodeResult:
        """See ``tools.judge.Judge``."""
        built = self.compile(candidate)
        with self._turns.shared():
            return self._once_again(partial(self._profiling.code, candidate, built))

    def _floors_s(self) -> dict[str, float]:
        """By case, a time that no call can be shorter than."""
        return self._roof.least_s(self._admission.needed_bytes if self._admission else {}, FLOOR_MARGIN)

    def _make_room(self) -> None:
        crew = self._crews.known
        if crew is not None and crew.on_device is not None:
            crew.on_device.bank.ask("forget", {})

    def measure(self, candidate: Candidate, notice: Notice | None = None) -> Measurement:
        """See ``tools.judge.Judge``."""
        with self._measuring, self._turns.alone():
            self.describe()
            try:
                require_screened(candidate.source)
                return self._once_again(lambda: with_pardon(lambda: self._measure(candidate, notice or silent)))
            except Rejected as error:
                return Measurement(reason=error.reason, detail=error.detail)

    def judge(self, candidate: Candidate, notice: Notice | None = None) -> Verdict:
        """See ``tools.judge.Judge``."""
        return self._verdict(candidate, notice or silent, confirm=False)

    def confirm(self, candidate: Candidate, notice: Notice | None = None) -> Verdict:
        """See ``tools.judge.Judge``."""
        return self._verdict(candidate, notice or silent, confirm=True)

    def close(self) -> None:
        """See ``tools.judge.Judge``."""
        self._closed = True
        self._builder.close()
        self._crews.close()
        self._launcher.close()
        self._lease.give_back()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _new_crew(self, before: Crew | None) -> Crew:
        self._site.write()
        return Crew(self._launcher, self._site, self._licence, self._flush, before)

    def _once_again(self, work: Callable[[], T]) -> T:
        """Do it; if our own side failed, start the trusted workers anew and try a second time.

        A problem that was described once is usable: if its reference fails later, that too is on us.
        """
        try:
            return work()
        except (JudgeUnavailable, SandboxError, RequestError) as error:
            if self._closed or (isinstance(error, RequestError) and not self._usable):
                raise
            self._crews.forget()
        try:
            return work()
        except SandboxError as error:
            raise JudgeUnavailable(f"the sandbox failed: {error}") from error
        except RequestError as error:
            raise JudgeUnavailable(str(error)) from error

    def _check(self, candidate: Candidate) -> CheckResult:
        crew = self._crews.now()
        about = self._seed, self.settings.memory_bytes
        try:
            return with_pardon(lambda: check_once(crew, self._builder.open(candidate), *about))
        except Rejected as error:
            return error.to_check(CHECKED_SEEDS)

    def _measure(self, candidate: Candidate, notice: Notice) -> Measurement:
        crew = self._crews.now()
        drawn = self._prepare(crew, candidate, notice, QUICK_SEEDS, {})
        contender = self._builder.open(candidate, crew.constructor())
        try:
            with self._machine.alone():
                self._builder.settle()
                about = self._seed, notice, self.settings.memory_bytes, self._floors_s()
                return measure_candidate(crew, contender, drawn, *about)
        finally:
            contender.close()
            with suppress(JudgeUnavailable):  # the next one will say so itself
                self._builder.prepare()

    def _verdict(self, candidate: Candidate, notice: Notice, *, confirm: bool) -> Verdict:
        """Judge once, a second time if our side failed, and never raise for either's fault."""
        about = {**self._about, "candidate": candidate.id, "language": candidate.language, "confirmed": confirm}
        stages: dict[str, float] = {}
        with self._measuring, self._turns.alone():
            try:
                self.describe()
                verdict = self._once_again(lambda: self._judge(candidate, notice, confirm, about, stages))
                return self._profiling.examine(verdict, candidate, stages) if confirm else verdict
            except Rejected as error:
                return rejected(about, error, stages)
            except JudgeUnavailable as error:
                return infrastructure(about, error, stages)

    def _judge(
        self, candidate: Candidate, notice: Notice, confirm: bool, about: dict[str, Any], stages: dict[str, float]
    ) -> Verdict:
        begin = time.monotonic()
        require_screened(candidate.source)
        stages["screen"] = time.monotonic() - begin
        crew = self._crews.now()
        if confirm and crew.warmed:  # one that nothing was measured with yet is as fresh as a new one
            crew = self._fresh_crew(crew, candidate)
        try:
            return with_pardon(lambda: self._try(crew, candidate, notice, confirm, about, stages))
        finally:
            if crew is not self._crews.known:
                self._crews.dismiss(crew)
            if not confirm:
                with suppress(JudgeUnavailable):  # the next judgement will say so itself
                    self._builder.prepare()

    def _fresh_crew(self, crew: Crew, candidate: Candidate) -> Crew:
        """Another one, of processes that nothing was judged in."""
        if self._device is not None:  # there is not memory for two
            self._builder.expect(candidate)
            return self._crews.replace()
        self._builder.discard_prepared()
        return self._crews.new(crew)

    def _try(
        self,
        crew: Crew,
        candidate: Candidate,
        notice: Notice,
        confirm: bool,
        about: dict[str, Any],
        stages: dict[str, float],
    ) -> Verdict:
        seeds = max(2, self.settings.check_seeds + (EXTRA_CONFIRM_SEEDS if confirm else 0))
        drawn = self._prepare(crew, candidate, notice, seeds, stages)
        about["oracle"] = crew.describe()[0].oracle
        contender = self._builder.open(candidate, crew.constructor())
        times = CONFIRM_TIMES if confirm else 1
        bounds = self.settings.blocks * times, CASE_BUDGET_S * times, self._seed, notice, self.settings.memory_bytes
        dresses = DRESSES + CONFIRM_DRESSES if confirm else DRESSES
        trial = Trial(crew, contender, seeds, *bounds, dresses, self._floors_s())
        try:
            with self._machine.alone(about):
                if self._device is None:
                    self._builder.settle()
                else:  # its processors have nothing to do meanwhile
                    self._builder.prepare()
                first = trial.run(drawn)
                specialised = unseen_shapes(crew, contender, notice) if confirm else None
                contender.require_still()
                contender.close()  # the next process of the candidate is to find no other
                again = partial(trial.again, partial(self._builder.open, candidate, crew.constructor()), first)
                sittings = settle(first, again, self._seed, self.settings.close_call_s if confirm else 0.0)
        finally:
            contender.close()
            stages.update(trial.seconds)
        return accepted(
            about,
            sittings,
            trial.examiner.closest,
            self._roof.floors,
            stages,
            seed=self._seed,
            specialised=True if trial.refused else specialised,
            mutants=self._admission.tried if self._admission else 0,
            notes=[
                *doubts(first, confirm=confirm),
                *crew.notes,
                *self._roof.notes,
                *filter(None, [contender.note()]),
                *(self._admission.notes if self._admission else ()),
                *screen(candidate.source).labels,
            ],
        )

    def _prepare(
        self, crew: Crew, candidate: Candidate, notice: Notice, seeds: int, stages: dict[str, float]
    ) -> dict[str, list[InputSet]]:
        """Build the candidate while the baselines warm up and the first case's inputs are drawn."""
        begin = time.monotonic()
        notice("compiling")
        crew.describe()
        with self._machine.shared(), ThreadPoolExecutor(1) as pool:
            crew.baselines()  # before anything of the candidate's runs: the plan rests on their times
            building: Future[CompileResult] = pool.submit(self._builder.compile, candidate)
            try:
                case = crew.cases[0]
                drawn = {case: crew.draw(case, seeds)}
                built = building.result()
            except KeyboardInterrupt:
                self._builder.close()  # or else the pool would be waited for
                raise
        stages["compile"] = built.seconds
        stages["wait"] = time.monotonic() - begin - built.seconds
        if not built.ok:
            raise Rejected(built.reason or "compile_error", failed_compile(built), built.log)
        return drawn
