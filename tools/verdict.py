"""Results of judging: one type a stage, failure as a field, never as an exception or an infinite time.

``accepted`` and ``rejected`` are verdicts on the candidate. ``infrastructure_error`` says that the judge could
not judge, and is never held against the candidate.
"""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from tools.harness.yardstick import ErrorFacts
from tools.roofline import Bound

VERDICT_SCHEMA = "kernelwright.verdict/1"

Status = Literal["accepted", "rejected", "infrastructure_error"]
Evidence = Literal["measured", "emulated", "proxy", "compiled"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class CompileResult(_Frozen):
    """Building a candidate, apart from running it."""

    ok: bool
    reason: str | None = None
    """``compile_error``, ``import_error``, ``timeout``, ``out_of_memory``."""
    log: str = ""
    """Compiler and interpreter output, trimmed to what matters."""
    seconds: float = 0.0


class CheckResult(_Frozen):
    """Comparing outputs with the oracle over several secret seeds."""

    passed: bool
    reason: str | None = None
    """Stable dotted code: ``wrong_output``, ``wrong_output.shape``, ``runtime_error``, ``timeout`` ..."""
    detail: str = ""
    """One line: class and magnitude of the failure, never an oracle value or a seed."""
    log: str = ""
    error: ErrorFacts | None = None
    """The candidate's, at its worst seed."""
    eager_error: ErrorFacts | None = None
    bound: ErrorFacts | None = None
    """What the licence allowed."""
    seeds: int = 0


class Timing(_Frozen):
    """Interleaved measurement of one contender, seconds a call, cold cache."""

    median_s: float
    p5_s: float
    p95_s: float
    samples: int


class Measurement(_Frozen):
    """A quick look at one candidate, by which settings of one program are ranked; never believed as a verdict is."""

    reason: str | None = None
    """None, or what it would have been rejected for: ``compile_error``, ``wrong_output`` ..."""
    detail: str = ""
    speedup: float | None = None
    """Like a verdict's, of far fewer samples."""
    cases: dict[str, float] = {}
    """Name to seconds a call."""
    baseline_s: float | None = None
    """What a call of the best baseline took in the same windows, geometric mean over the cases."""

    @property
    def seconds(self) -> float | None:
        """Of a call, geometric mean over the cases."""
        if not self.cases:
            return None
        return math.exp(sum(map(math.log, self.cases.values())) / len(self.cases))


class CaseVerdict(_Frozen):
    """One case of a verdict."""

    name: str
    speedup: float
    speedup_ci95: tuple[float, float]
    candidate: Timing
    baselines: dict[str, Timing]
    aa_spread: float
    """Half width of the same statistic when the best baseline is compared with itself in the same run."""
    lengthened: float = 1.0
    """How many times longer a call of the candidate took by itself than among others; its times include that."""
    deferred_s: float = 0.0
    """Seconds a window that it left for when it was not timed, and that are told as its own; 0 where that is little."""
    floor_s: float | None = None
    """The least time of a call that the device's measured ceilings allow (``tools/roofline.py``)."""
    bound: Bound | None = None
    """What takes that long."""


class Verdict(_Frozen):
    """What is said of one candidate, with everything that is needed to weigh it."""

    schema_: str = VERDICT_SCHEMA
    status: Status
    reason: str | None = None
    """Null when accepted; else a stable dotted code such as ``compile_error`` or ``wrong_output``."""
    detail: str = ""
    candidate: str = ""
    """The candidate's id."""
    target: str = "cpu"
    language: str = "cpp"
    evidence: Evidence = "measured"
    isolation: str = ""
    precision: Literal["native", "tolerance"] = "native"
    oracle: str = "float64"
    error: ErrorFacts | None = None
    eager_error: ErrorFacts | None = None
    error_bound: ErrorFacts | None = None
    speedup: float | None = None
    """Geometric mean over the cases of t(best baseline) / t(candidate), medians of interleaved blocks."""
    speedup_ci95: tuple[float, float] | None = None
    worst_case_speedup: float | None = None
    faster: bool | None = None
    """True, False, or null for *ambiguous*: the interval neither clears 1 + max(2 %, A/A spread) nor stays
    below it."""
    baselines: dict[str, float] = {}
    """Name to seconds, geometric mean over the cases."""
    cases: tuple[CaseVerdict, ...] = ()
    roofline_fraction: float | None = None
    """Of its floor, what the candidate reaches: floor / time, at most 1, geometric mean over the cases."""
    headroom: float | None = None
    """Time / floor, geometric mean over the cases: what could be won at most. Below 1 the ceilings are too low."""
    at_floor: bool | None = None
    """True when nothing is left to win in any case, False when something is, null when nobody can say."""
    confirmed: bool = False
    """Judged a second time, in fresh processes, with new seeds and unseen shapes."""
    specialised: bool | None = None
    """True when it refuses shapes other than the declared ones (with an error, not a wrong answer)."""
    mutants: int = 0
    """Wrong answers that were made of the reference beforehand, all of which this licence rejects."""
    sittings: int = 1
    """Times it was measured, each with processes of its own; more than one for a close call. The interval then
    is that of their mean; how long contenders took is what the first one said."""
    stage_seconds: dict[str, float] = {}
    """Where the judging time went."""
    held_s: float = 0.0
    """Seconds for which the machine, and its device, was held for this candidate alone."""
    log: str = ""
    artifacts: dict[str, str] = {}
    """Name to artifact id."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.status == "accepted" and (self.reason is not None or self.speedup is None):
            raise ValueError("an accepted verdict has a speedup and no reason")
        if self.status != "accepted" and self.reason is None:
            raise ValueError(f"a verdict that is {self.status} names its reason")
        return self

    def to_json(self) -> dict[str, object]:
        """The public form: plain JSON, ``schema`` spelled without the underscore."""
        data = self.model_dump(mode="json")
        return {"schema": data.pop("schema_"), **data}

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Self:
        """Inverse of ``to_json``."""
        rest = dict(data)
        return cls.model_validate({"schema_": rest.pop("schema", VERDICT_SCHEMA), **rest})
