"""Proton, Triton's own profiler: the time of every kernel, by Triton's names. No rights are needed."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tools.profiling.base import MAX_KERNELS, Output, Place, Plan, clean, number, told
from tools.profiling.diagnosis import Diagnosis, KernelFacts, ProfilerFailed
from tools.profiling.ranking import BIG_SHARE, bound_by, by_time, ranked
from tools.profiling.torch_profiler import hotspot

CALLS = 5
MAX_NODES = 50_000


class Proton:
    """``triton.profiler``: which kernels take the time."""

    name = "proton"
    purpose = "time of each kernel, as Triton's own profiler sees it"

    def missing(self, place: Place) -> str | None:
        """It needs a GPU; whether Triton is there is seen inside."""
        return None if place.on_gpu else "Proton times kernels of a GPU, and this target has none: use torch"

    def plans(self, place: Place) -> tuple[Plan, ...]:
        """A few calls."""
        return (Plan(mode="proton", calls=CALLS),)

    def parse(self, output: Output) -> Diagnosis:
        """Its tree of frames; kernels are the leaves."""
        facts = told(output)
        calls = number(facts.get("calls")) or 1
        kernels = by_time(leaves_of(facts.get("tree"), calls))
        if not kernels:
            raise ProfilerFailed("unreadable_report", "Proton's tree holds no kernel: a call launches none")
        advice = "see what limits this kernel (ncu, compiler) before the others"
        findings = ranked(hotspot(kernel, advice) for kernel in kernels[:1] if (kernel.share or 0.0) >= BIG_SHARE)
        seconds = sum(kernel.seconds or 0.0 for kernel in kernels)
        return Diagnosis(
            profiler=self.name, bound=bound_by(findings), kernels=kernels, findings=findings, seconds=seconds
        )


def leaves_of(tree: Any, calls: float) -> list[KernelFacts]:
    """One for each name among the leaves that have a time: inner nodes' times are sums of these."""
    seconds: dict[str, float] = defaultdict(float)
    counts: dict[str, float] = defaultdict(float)
    waiting = list(tree) if isinstance(tree, list) else [tree]
    for _ in range(MAX_NODES):
        if not waiting:
            break
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        children = node.get("children")
        if isinstance(children, list) and children:
            waiting += children
            continue
        metrics, frame = node.get("metrics"), node.get("frame")
        if not isinstance(metrics, dict) or not isinstance(frame, dict):
            continue
        spent = number(metrics.get("time (ns)"))
        name = clean(frame.get("name", "unnamed"))
        if spent is not None and (name in seconds or len(seconds) < MAX_KERNELS):
            seconds[name] += spent * 1e-9
            counts[name] += number(metrics.get("count")) or 0.0
    return [
        KernelFacts(name=name, seconds=value / calls, launches=counts[name] / calls or None)
        for name, value in seconds.items()
    ]
