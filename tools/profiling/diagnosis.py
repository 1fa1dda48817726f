"""What a profiler found out, in one form whichever it was: short, ranked, with the evidence and what usually helps.

A diagnosis is advice. It is made of what a program says in which the candidate's own code runs, so nothing in it
enters a verdict's numbers.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal[
    "memory",
    "compute",
    "latency",
    "occupancy",
    "launch",
    "sync",
    "transfer",
    "spills",
    "divergence",
    "hotspot",
    "error",
]
"""``hotspot``: one place takes the time, for a reason that this profiler cannot see. ``error``: a wrong access."""

Bound = Literal["memory", "compute", "latency", "occupancy", "launch", "unknown"]

Reason = Literal["profiler_missing", "profiler_refused", "timeout", "runtime_error", "unreadable_report"]
"""Why there is no diagnosis. ``profiler_missing`` and ``profiler_refused`` (it is here and may not, or cannot, look)
are the machine's; ``runtime_error`` is the candidate's; ``timeout`` may be either's. A candidate that does not build
has the build's own reason."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(_Frozen):
    """One thing that is slow, or wrong."""

    kind: Kind
    severity: float = Field(ge=0, le=1)
    """About the share of the time that it concerns, so that findings can be ranked: 1 is all of it."""
    evidence: str
    """What was seen, with numbers."""
    advice: str
    """What usually helps."""


class KernelFacts(_Frozen):
    """One kernel, or one operator where there are no kernels. None where this profiler does not know."""

    name: str
    seconds: float | None = None
    """For one call of the model, all launches of this kernel together."""
    share: float | None = None
    """Of the time that kernels take."""
    launches: float | None = None
    """For one call of the model."""
    registers: int | None = None
    """A thread."""
    spill_bytes: int | None = None
    """Of a thread's local memory: what did not fit into registers, or was indexed."""
    shared_bytes: int | None = None
    """A block."""
    threads: int | None = None
    """A block."""
    occupancy: float | None = None
    """Warps that were active, of those a multiprocessor can hold."""
    occupancy_limit: float | None = None
    """What registers, shared memory and the block's size allow at most."""
    limited_by: str | None = None
    """What allows no more: ``registers``, ``shared memory``, ``blocks`` or ``warps``."""
    waves: float | None = None
    """Blocks, over those that the device holds at once."""
    dram_fraction: float | None = None
    """Of the peak."""
    sm_fraction: float | None = None
    """Of the peak of the busiest unit of the multiprocessors."""
    tensor_fraction: float | None = None
    """Of the time that the tensor cores were active."""
    l1_hit: float | None = None
    l2_hit: float | None = None
    active_threads: float | None = None
    """Of a warp's 32, on average over its instructions."""
    stalls: dict[str, float] = {}
    """What warps waited for, as a share of their time; the largest first."""
    instructions: dict[str, int] = {}
    """Instructions in the compiled code by class, not by how often they run."""


class Diagnosis(_Frozen):
    """What one profiler said about one candidate."""

    profiler: str
    bound: Bound = "unknown"
    kernels: tuple[KernelFacts, ...] = ()
    """The one that takes longest first."""
    findings: tuple[Finding, ...] = ()
    """The most severe first."""
    notes: tuple[str, ...] = ()
    seconds: float | None = None
    """One call of the model, as this profiler saw it: longer than a measured one."""


class ProfileResult(_Frozen):
    """A diagnosis, or why there is none."""

    ok: bool
    profiler: str
    reason: str | None = None
    """``Reason``, or a build's reason."""
    detail: str = ""
    """One line: what happened, and how to mend it."""
    diagnosis: Diagnosis | None = None
    report: str = ""
    """The profiler's own words."""


class ProfilerFailed(Exception):
    """A profiler's output holds no diagnosis. Never leaves this room: it becomes a ``ProfileResult``."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail
