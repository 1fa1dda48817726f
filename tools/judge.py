"""The judge's contract: what the agent and the tools may ask of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tools.candidate import Candidate
from tools.problem import Description
from tools.profiling.diagnosis import ProfileResult
from tools.profiling.generated import CodeResult
from tools.verdict import CheckResult, CompileResult, Measurement, Timing, Verdict

Notice = Callable[[str], None]
"""Called with one short line when something worth showing has begun (``"timing 4/12"``)."""


def silent(text: str) -> None:
    """A notice that nobody wants."""


class Judge(Protocol):
    """Judges candidates for one problem on one target. One instance a run; ``close`` when done.

    ``compile``, ``check``, ``profile`` and ``code`` may be called from several threads; ``baselines``, ``measure``,
    ``judge`` and ``confirm`` hold the machine for themselves (a lock inside), because they measure time.
    """

    def describe(self) -> Description:
        """Run the reference once. Raises RequestError for a problem that cannot be used."""

    def baselines(self, notice: Notice | None = None) -> dict[str, dict[str, Timing]]:
        """Measure ``eager`` and ``torch.compile``: baseline name to case name to timing."""

    def compile(self, candidate: Candidate) -> CompileResult:
        """Build in a sandbox of its own; remembered by candidate id."""

    def check(self, candidate: Candidate) -> CheckResult:
        """Compile and compare with the oracle on one secret seed, without timing: the model's quick test."""

    def profile(self, candidate: Candidate, profiler: str = "auto") -> ProfileResult:
        """Say why it takes as long as it does (``tools.profiling.registry``); nothing of it enters a verdict."""

    def code(self, candidate: Candidate) -> CodeResult:
        """Build it and read what compilers made of it: machine code, and intermediate code where the build kept it."""

    def measure(self, candidate: Candidate, notice: Notice | None = None) -> Measurement:
        """Screen, compile, check and time it quickly, to rank settings of one program; no verdict rests on it.

        Raises JudgeUnavailable.
        """

    def judge(self, candidate: Candidate, notice: Notice | None = None) -> Verdict:
        """Screen, compile, check, time; stops at the first failure."""

    def confirm(self, candidate: Candidate, notice: Notice | None = None) -> Verdict:
        """Judge again: fresh processes, new seeds, unseen shapes, twice the blocks. ``confirmed`` is set."""

    def close(self) -> None:
        """Stop every process and remove every temporary file; idempotent."""
