"""Running candidates under profilers: one sandbox job each, apart from all that decides a verdict, within a time limit.

Whatever happens to a profiler is a ``ProfileResult``: one that is missing, hangs or refuses costs a time limit and says
so in a line. What a profiler finds enters no verdict, with one exception: memcheck's wrong accesses reject a champion.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, MutableMapping
from dataclasses import replace

from sandbox.base import Execution, Job, Mount
from sandbox.errors import SandboxError
from tools.candidate import Candidate
from tools.compiling import Builder
from tools.contender import Rejected
from tools.crew import Site
from tools.errors import JudgeUnavailable
from tools.exclusion import Machine
from tools.launching import HARNESS_MOUNT, HARNESS_SOURCE, Launcher
from tools.problem import JudgeSettings
from tools.problem_text import one_line
from tools.profiling.base import MARK, Output, Place, Plan, Profiler
from tools.profiling.diagnosis import ProfileResult, ProfilerFailed
from tools.profiling.generated import CODE_S, PLAN, CodeResult, read_code
from tools.profiling.programs import find_program, mounts_for
from tools.profiling.registry import AUTO, PROFILERS, best_first
from tools.rooms import Room
from tools.verdict import CompileResult, Verdict
from tools.verdicts import failed_compile, rounded

MEMCHECK = "sanitizer"
OUT_OF_BOUNDS = "runtime_error.memory"
"""A champion's kernel reads or writes what is not its own: right today, by what happens to lie there."""
MACHINES_FAULT = ("profiler_missing", "profiler_refused", "timeout", "unreadable_report")
"""Reasons for which ``auto`` goes on to the next."""
MAX_OUTPUT_BYTES = 16 << 20
MAX_REPORT = 1 << 20
MAX_LOG = 4000
"""Of a report that becomes a verdict's log."""
HANGS = 2
"""Times that a profiler may not end before ``auto`` takes it for one that hangs here, whoever the candidate is."""
LEAST_S = 1.0


class Profiling:
    """The profilers of one judge. Safe to use from several threads."""

    def __init__(
        self,
        launcher: Launcher,
        builder: Builder,
        site: Site,
        settings: JudgeSettings,
        machine: Machine,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        """``forget``: has others give up what they keep of the device's memory and can make again."""
        self._launcher = launcher
        self._builder = builder
        self._site = site
        self._settings = settings
        self._machine = machine
        self._forget = forget
        self.place = Place(launcher.device, find_program, settings.profile_as_admin)
        self._worked: dict[str, int] = {}
        """Profiler to the plan that was not refused."""
        self._late: Counter[str] = Counter()
        self._failed: dict[str, str] = {}
        """Profilers that ``auto`` need not try again, and why: the machine is to blame, and it stays as it is."""

    def profile(self, candidate: Candidate, name: str) -> ProfileResult:
        """A diagnosis by that profiler, or by the best that works. Raises JudgeUnavailable, SandboxError."""
        if name != AUTO and name not in PROFILERS:
            detail = f"there is no profiler {name[:40]!r}: choose {AUTO}, {', '.join(PROFILERS)}"
            return ProfileResult(ok=False, profiler=name[:40], reason="profiler_missing", detail=detail)
        limit_s = self._settings.profile_s
        if limit_s <= 0:
            detail = "profilers are switched off (profile_s is 0)"
            return ProfileResult(ok=False, profiler=name, reason="profiler_missing", detail=detail)
        with self._machine.alone() if self._launcher.device is not None else self._machine.shared():
            return self._best(candidate, limit_s) if name == AUTO else self._under(PROFILERS[name], candidate, limit_s)

    def code(self, candidate: Candidate, built: CompileResult) -> CodeResult:
        """What compilers made of it. Raises JudgeUnavailable, SandboxError."""
        if not built.ok:
            return CodeResult(ok=False, reason=built.reason, detail=failed_compile(built))
        try:
            with self._machine.shared(), self._builder.borrowed(candidate) as room:
                return read_code(self._launcher.sandbox.run(self._job(PLAN, room, CODE_S)))
        except Rejected as error:
            return CodeResult(ok=False, reason=error.reason, detail=error.detail)

    def examine(self, verdict: Verdict, candidate: Candidate, stages: MutableMapping[str, float]) -> Verdict:
        """A champion's verdict with what memcheck says of it. Raises Rejected for a wrong access.

        A check that could not be made is a note: not every machine has one, and the candidate is not to blame.
        """
        limit_s = self._settings.memcheck_s
        if verdict.status != "accepted" or not self.place.on_gpu or limit_s <= 0:
            return verdict
        begin = time.monotonic()
        tally = {"held_s": verdict.held_s}
        try:
            with self._machine.alone(tally):
                result = self._under(PROFILERS[MEMCHECK], candidate, limit_s)
        except (SandboxError, JudgeUnavailable) as error:
            result = ProfileResult(ok=False, profiler=MEMCHECK, reason="profiler_refused", detail=str(error))
        stages["memcheck"] = time.monotonic() - begin
        if result.diagnosis is not None and result.diagnosis.findings:
            raise Rejected(
                OUT_OF_BOUNDS, f"memcheck: {result.diagnosis.findings[0].evidence}"[:500], result.report[:MAX_LOG]
            )
        note = "memcheck: no wrong access" if result.ok else f"memcheck was not made: {result.detail}"
        log = f"{verdict.log}\n{note}".strip()
        return verdict.model_copy(update={"log": log, "stage_seconds": rounded(stages), **tally})

    def _best(self, candidate: Candidate, limit_s: float) -> ProfileResult:
        passed: list[str] = []
        result = ProfileResult(ok=False, profiler=AUTO, reason="profiler_missing", detail="no profiler works here")
        for name in best_first(self.place):
            if name in self._failed:
                passed.append(self._failed[name])
                continue
            result = self._under(PROFILERS[name], candidate, limit_s)
            if result.reason not in MACHINES_FAULT:
                return _with_notes(result, passed)
            passed.append(result.detail)
            self._late[name] += result.reason == "timeout"
            if result.reason in ("profiler_missing", "profiler_refused") or self._late[name] >= HANGS:
                self._failed[name] = result.detail
        return result.model_copy(update={"detail": "; ".join(passed) or result.detail})

    def _under(self, profiler: Profiler, candidate: Candidate, limit_s: float) -> ProfileResult:
        why = profiler.missing(self.place)
        if why is not None:
            return ProfileResult(ok=False, profiler=profiler.name, reason="profiler_missing", detail=why)
        try:
            self._forget()
            with self._builder.borrowed(candidate) as room:
                return self._by_plans(profiler, room, limit_s)
        except Rejected as error:
            detail = error.detail or "it does not compile"
            return ProfileResult(ok=False, profiler=profiler.name, reason=error.reason, detail=detail, report=error.log)

    def _by_plans(self, profiler: Profiler, room: Room, limit_s: float) -> ProfileResult:
        """All of them together within the limit."""
        deadline = time.monotonic() + limit_s
        plans = profiler.plans(self.place)
        result = ProfileResult(ok=False, profiler=profiler.name, reason="profiler_refused", detail="it has no plan")
        for index in range(self._worked.get(profiler.name, 0), len(plans)):
            left_s = deadline - time.monotonic()
            if left_s < LEAST_S and index:
                break
            result = self._run(profiler, plans[index], room, left_s)
            if result.reason != "profiler_refused":
                self._worked[profiler.name] = index
                break
        return result

    def _run(self, profiler: Profiler, plan: Plan, room: Room, left_s: float) -> ProfileResult:
        try:
            done = self._launcher.sandbox.run(self._job(plan, room, left_s))
        except SandboxError as error:
            if not plan.prefix:
                raise
            detail = f"{profiler.name}: the sandbox could not start it: {error}"
            return ProfileResult(ok=False, profiler=profiler.name, reason="profiler_refused", detail=detail)
        return read(profiler, done, left_s)

    def _job(self, plan: Plan, room: Room, left_s: float) -> Job:
        launcher, device = self._launcher, self._launcher.device
        sandbox = launcher.sandbox
        runs = plan.program == "profiled.py"
        harness, problem = Mount(HARNESS_SOURCE, HARNESS_MOUNT), Mount(self._site.problem_folder, "/problem")
        shown, named = room.shown(building=False)
        request = {
            "problem": f"{launcher.inside(problem)}/problem.py",
            "name": self._site.problem.name,
            "candidate": room.path,
            "build": named["KERNELWRIGHT_BUILD_DIR"],
            "device": "cuda" if self.place.on_gpu else "cpu",
            "threads": launcher.threads,
            "mode": plan.mode,
            "calls": plan.calls,
            "warmup": plan.warmup,
            "texts": plan.texts,
        }
        return Job(
            argv=(*plan.prefix, *sandbox.python, f"{launcher.inside(harness)}/{plan.program}", json.dumps(request)),
            mounts=(harness, *([problem] if runs else []), *shown, *mounts_for(plan.tool, sandbox.isolation)),
            env={**launcher.surroundings(), **named, **dict(plan.env)},
            limits=replace(launcher.limits, wall_s=max(LEAST_S, left_s), output_bytes=MAX_OUTPUT_BYTES),
            devices=device.nodes if device is not None and runs else (),
            capabilities=plan.capabilities,
            instrumented=plan.instrumented,
        )


def unbuilt(name: str, built: CompileResult) -> ProfileResult:
    """There is nothing to profile."""
    detail = failed_compile(built)
    return ProfileResult(ok=False, profiler=name[:40], reason=built.reason, detail=detail, report=built.log)


def read(profiler: Profiler, done: Execution, limit_s: float) -> ProfileResult:
    """What came of a run. Pure."""
    output = Output(
        done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"), exit_code=done.exit_code
    )
    report = report_of(output)
    try:
        if done.timed_out:
            late = f"{profiler.name} did not end within {limit_s:.0f} s, and nothing was learned: use another profiler"
            raise ProfilerFailed("timeout", late)
        if done.out_of_memory:
            raise ProfilerFailed("runtime_error", f"memory ran out under {profiler.name}: use another profiler")
        diagnosis = profiler.parse(output)
    except ProfilerFailed as error:
        return ProfileResult(
            ok=False, profiler=profiler.name, reason=error.reason, detail=one_line(error.detail), report=report
        )
    return ProfileResult(ok=True, profiler=profiler.name, diagnosis=diagnosis, report=report)


def report_of(output: Output) -> str:
    """What people and models read of it: without the line that is for programs, which is told only if alone."""
    lines = [line for line in output.stdout.splitlines() if not line.startswith(MARK)]
    text = "\n".join([*lines, output.stderr]).strip() or output.stdout.strip()
    return text if len(text) <= MAX_REPORT else f"{text[:MAX_REPORT]}\n[cut]"


def _with_notes(result: ProfileResult, passed: list[str]) -> ProfileResult:
    """Say which better profilers could not be used."""
    if result.diagnosis is None or not passed:
        return result
    notes = (*result.diagnosis.notes, *(f"not used: {why}" for why in passed))
    return result.model_copy(update={"diagnosis": result.diagnosis.model_copy(update={"notes": notes})})
