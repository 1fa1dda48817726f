"""A judge that says what it was told to: for tests and examples, strict and without processes.

The verdict is a function of the candidate's source, so that parallel proposals, resumed runs and
repeated calls see the same answer. A candidate the script does not know is an error, never accepted in
silence.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from tools.candidate import Candidate
from tools.errors import ToolError
from tools.harness.yardstick import ErrorFacts
from tools.judge import Notice
from tools.problem import CaseFacts, Description, TensorFacts
from tools.profiling.diagnosis import ProfileResult
from tools.profiling.generated import CodeResult
from tools.verdict import CheckResult, CompileResult, Measurement, Timing, Verdict

Script = Callable[[str], Verdict | None]
"""Candidate source to verdict; None for a candidate that was not foreseen."""

DEFAULT_BASELINES = {"eager": 2.0e-3, "compile": 1.5e-3}
"""Seconds a call."""


NO_PROFILE = ProfileResult(ok=False, profiler="auto", reason="profiler_missing", detail="a scripted judge runs nothing")

NO_CODE = CodeResult(ok=True)


class UnscriptedCandidate(ToolError):
    """The script of a FakeJudge has no verdict for a candidate."""


def accepted(speedup: float, *, faster: bool | None = None, spread: float = 0.01) -> Verdict:
    """An accepted verdict whose interval is ``speedup`` times 1 plus or minus ``spread``."""
    interval = (speedup * (1 - spread), speedup * (1 + spread))
    if faster is None:
        faster = interval[0] > 1.02
    errors = ErrorFacts(worst=1e-7, norm=1e-7)
    return Verdict(
        status="accepted",
        speedup=speedup,
        speedup_ci95=interval,
        worst_case_speedup=speedup,
        faster=faster,
        isolation="none",
        error=errors,
        eager_error=errors,
        baselines=DEFAULT_BASELINES,
    )


def rejected(reason: str, detail: str = "") -> Verdict:
    """A rejected verdict."""
    return Verdict(status="rejected", reason=reason, detail=detail, isolation="none")


def describe_softmax() -> Description:
    """A small description to start from: softmax over rows of 64 by 256 floats."""
    facts = TensorFacts(shape=(64, 256), dtype="float32", stride=(256, 1))
    case = CaseFacts(name="default", inputs=(facts,), outputs=(facts,), bytes_moved=131072, flops=81920)
    return Description(
        problem="fake",
        cases=(case,),
        operators=("aten.softmax.int",),
        cpu="a processor of no kind",
        threads=2,
    )


class FakeJudge:
    """``tools.judge.Judge`` from a script; ``judged`` and ``confirmed`` record the calls in order."""

    def __init__(
        self,
        script: Script | Mapping[str, Verdict],
        *,
        confirmations: Script | Mapping[str, Verdict] | None = None,
        description: Description | None = None,
        baselines: Mapping[str, float] = DEFAULT_BASELINES,
        profile: ProfileResult = NO_PROFILE,
        code: CodeResult = NO_CODE,
        measurements: Callable[[str], Measurement | None] | None = None,
    ) -> None:
        self._script: Script = script.get if isinstance(script, Mapping) else script
        chosen = self._script if confirmations is None else confirmations
        self._confirmations: Script = chosen.get if isinstance(chosen, Mapping) else chosen
        self._description = description or describe_softmax()
        self._baselines = dict(baselines)
        self._profile = profile
        self._code = code
        self._measurements = measurements
        self._lock = threading.Lock()
        self.measured: list[str] = []
        """Candidate ids passed to ``measure``."""
        self.judged: list[str] = []
        """Candidate ids passed to ``judge``."""
        self.confirmed: list[str] = []
        """Candidate ids passed to ``confirm``."""
        self.closed = False

    def describe(self) -> Description:
        """The description it was given."""
        return self._description

    def baselines(self, notice: Notice | None = None) -> dict[str, dict[str, Timing]]:
        """The baselines it was given, the same for every case."""
        names = [case.name for case in self._description.cases]
        return {
            name: {case: Timing(median_s=s, p5_s=s, p95_s=s, samples=1) for case in names}
            for name, s in self._baselines.items()
        }

    def compile(self, candidate: Candidate) -> CompileResult:
        """Follows the script: only a ``compile_error`` fails to compile."""
        verdict = self._verdict(self._script, candidate)
        if verdict.reason == "compile_error":
            return CompileResult(ok=False, reason="compile_error", log=verdict.log or verdict.detail)
        return CompileResult(ok=True, seconds=0.1)

    def check(self, candidate: Candidate) -> CheckResult:
        """Follows the script: whatever is accepted passes."""
        verdict = self._verdict(self._script, candidate)
        if verdict.status == "accepted":
            return CheckResult(passed=True, error=verdict.error, eager_error=verdict.eager_error, seeds=1)
        return CheckResult(passed=False, reason=verdict.reason, detail=verdict.detail, log=verdict.log, seeds=1)

    def profile(self, candidate: Candidate, profiler: str = "auto") -> ProfileResult:
        """The diagnosis it was given, for whatever compiles."""
        built = self.compile(candidate)
        if not built.ok:
            return ProfileResult(ok=False, profiler=profiler, reason=built.reason, detail="it does not compile")
        return self._profile.model_copy(update={"profiler": profiler})

    def code(self, candidate: Candidate) -> CodeResult:
        """The code it was given, for whatever compiles."""
        built = self.compile(candidate)
        return self._code if built.ok else CodeResult(ok=False, reason=built.reason, detail="it does not compile")

    def measure(self, candidate: Candidate, notice: Notice | None = None) -> Measurement:
        """The scripted quick look, or what the verdict would be; ``measured`` records it."""
        with self._lock:
            self.measured.append(candidate.id)
        told = None if self._measurements is None else self._measurements(candidate.source)
        if told is not None:
            return told
        verdict = self._verdict(self._script, candidate)
        if verdict.speedup is None:
            return Measurement(reason=verdict.reason, detail=verdict.detail)
        return Measurement(speedup=verdict.speedup, cases={"default": min(self._baselines.values()) / verdict.speedup})

    def judge(self, candidate: Candidate, notice: Notice | None = None) -> Verdict:
        """The scripted verdict, with the candidate's id and language filled in."""
        verdict = self._verdict(self._script, candidate)
        with self._lock:
            self.judged.append(candidate.id)
        if notice is not None:
            notice("judging")
        return verdict

    def confirm(self, candidate: Candidate, notice: Notice | None = None) -> Verdict:
        """The scripted confirmation, or the same verdict again; ``confirmed`` is set."""
        verdict = self._verdict(self._confirmations, candidate)
        with self._lock:
            self.confirmed.append(candidate.id)
        return verdict.model_copy(update={"confirmed": True})

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def _verdict(self, script: Script, candidate: Candidate) -> Verdict:
        verdict = script(candidate.source)
        if verdict is None:
            first = candidate.source.strip().splitlines()[:1]
            raise UnscriptedCandidate(f"no verdict was scripted for candidate {candidate.id} ({first})")
        return verdict.model_copy(update={"candidate": candidate.id, "language": candidate.language})
