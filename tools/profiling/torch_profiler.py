"""torch.profiler: operators, kernels, gaps between launches, waits of the host. Needs no rights and no program."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.profiling.base import MAX_KERNELS, Output, Place, Plan, clean, fraction, number, told, whole
from tools.profiling.diagnosis import Diagnosis, Finding, KernelFacts, ProfilerFailed
from tools.profiling.ranking import (
    BIG_SHARE,
    Timeline,
    bound_by,
    by_time,
    duration,
    of_timeline,
    percent,
    ranked,
)

CALLS = 5
WAITS = ("Synchronize",)
"""In the name of a call of the CUDA library that returns when the device is done."""
WITHIN_DEVICE = ("DtoD", "Device-to-Device")
MOVING = (
    *("aten::copy_", "aten::clone", "aten::contiguous", "aten::_to_copy", "aten::cat", "aten::fill_", "aten::zero_"),
    *("aten::pad", "aten::constant_pad_nd", "aten::stack", "aten::repeat"),
)
"""Operators that compute nothing."""
OWN_CODE = "code of the candidate's own"
BRIEF_OPERATOR_S = 15e-6
MANY_OPERATORS = 6


@dataclass(frozen=True)
class Event:
    """One stretch of time; seconds."""

    kind: str
    name: str
    begin: float
    end: float
    thread: str
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.begin


class TorchProfiler:
    """``torch.profiler``: what a call consists of, on a GPU and on processors."""

    name = "torch"
    purpose = "operators and kernels of a call, gaps between launches, waits of the host, copies"

    def missing(self, place: Place) -> str | None:
        """It is where torch is."""
        return None

    def plans(self, place: Place) -> tuple[Plan, ...]:
        """A few calls, so that what happens once does not count much."""
        return (Plan(mode="torch", calls=CALLS, warmup=3),)

    def parse(self, output: Output) -> Diagnosis:
        """The events that ``tools/harness/profiled.py`` tells."""
        facts = told(output)
        events = events_of(facts.get("events"))
        calls = [event for event in events if event.kind == "call"]
        if not calls:
            raise ProfilerFailed("unreadable_report", "torch's trace holds no call: too many events, or a broken trace")
        notes = [f"{facts['left_out']} further events were left out"] if facts.get("left_out") else []
        on_gpu = any(event.kind in ("kernel", "copy", "fill") for event in events)
        read = _of_device if on_gpu else _of_host
        return read(self.name, events, calls, notes)


def events_of(listed: Any) -> list[Event]:
    """What can be read of a trace; the rest is left out."""
    found = []
    for item in listed if isinstance(listed, list) else ():
        if not isinstance(item, dict):
            continue
        begin, lasted = number(item.get("ts")), number(item.get("dur"))
        if begin is not None and lasted is not None and lasted >= 0:
            about = (str(item.get("kind", "")), clean(item.get("name", "")))
            begin_s = begin * 1e-6
            found.append(Event(*about, begin_s, begin_s + lasted * 1e-6, str(item.get("tid", "")), item))
    return found


def busy_s(events: Iterable[Event]) -> float:
    """Seconds in which at least one of them went on."""
    total, until = 0.0, float("-inf")
    for event in sorted(events, key=lambda item: item.begin):
        total += max(0.0, event.end - max(until, event.begin))
        until = max(until, event.end)
    return total


def timeline_of(events: Sequence[Event], calls: Sequence[Event]) -> Timeline:
    """What the device did, and how often the host waited for it within calls."""
    device = [event for event in events if event.kind in ("kernel", "copy", "fill")]
    waits = [
        event
        for event in events
        if event.kind == "api"
        and any(word in event.name for word in WAITS)
        and any(call.begin <= event.begin <= call.end for call in calls)
    ]
    between = [
        event for event in device if event.kind == "copy" and not any(word in event.name for word in WITHIN_DEVICE)
    ]
    return Timeline(
        calls=len(calls),
        span_s=max(event.end for event in device) - min(event.begin for event in device),
        busy_s=busy_s(device),
        launches=sum(event.kind in ("kernel", "fill") for event in device),
        syncs=len(waits),
        sync_names=tuple(sorted({event.name for event in waits})),
        copies=len(between),
        copied_s=busy_s(between),
    )


def kernels_on_device(events: Iterable[Event], calls: int) -> tuple[KernelFacts, ...]:
    """One for each kernel's name, for one call."""
    groups: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.kind in ("kernel", "copy", "fill") and (event.name in groups or len(groups) < MAX_KERNELS):
            groups[event.name].append(event)
    found = []
    for name, group in groups.items():
        details = max(group, key=lambda event: event.seconds).details
        block = details.get("block")
        sizes = [number(size) for size in block] if isinstance(block, list) else []
        threads = 1.0
        for size in sizes:
            threads *= size or 1.0
        found.append(
            KernelFacts(
                name=name,
                seconds=sum(event.seconds for event in group) / calls,
                launches=len(group) / calls,
                registers=whole(number(details.get("registers"))),
                shared_bytes=whole(number(details.get("shared"))),
                threads=round(threads) if sizes else None,
                occupancy_limit=fraction(number(details.get("occupancy"))),
            )
        )
    return by_time(found)


def _of_device(name: str, events: Sequence[Event], calls: Sequence[Event], notes: list[str]) -> Diagnosis:
    timeline = timeline_of(events, calls)
    kernels = kernels_on_device(events, len(calls))
    findings = of_timeline(timeline)
    top = kernels[0]
    if top.share is not None and top.share >= BIG_SHARE and len(kernels) > 1:
        findings.append(hotspot(top, "see what limits this kernel (ncu, compiler) before the others"))
    found = ranked(findings)
    if not found:
        notes.append("the device is busy all the time: what limits its kernels is ncu's to say")
    return Diagnosis(
        profiler=name,
        bound=bound_by(found),
        kernels=kernels,
        findings=found,
        notes=tuple(notes),
        seconds=timeline.span_s / len(calls),
    )


def hotspot(kernel: KernelFacts, advice: str) -> Finding:
    """One that takes most of the time."""
    share = kernel.share or 0.0
    evidence = f"{kernel.name}: {percent(share)} of the time, {duration(kernel.seconds or 0.0)} a call"
    return Finding(kind="hotspot", severity=share, evidence=evidence, advice=advice)


def _of_host(name: str, events: Sequence[Event], calls: Sequence[Event], notes: list[str]) -> Diagnosis:
    own, counts = own_seconds(events, calls)
    count = len(calls)
    operators = by_time(
        KernelFacts(name=key, seconds=seconds / count, launches=counts[key] / count) for key, seconds in own.items()
    )
    total_s = sum(call.seconds for call in calls) / count
    found = ranked(_host_findings(operators, total_s))
    return Diagnosis(
        profiler=name,
        bound=bound_by(found),
        kernels=operators[:MAX_KERNELS],
        findings=found,
        notes=(*notes, "caches are warm here; a judgement's are cold"),
        seconds=total_s,
    )


def own_seconds(events: Sequence[Event], calls: Sequence[Event]) -> tuple[dict[str, float], dict[str, int]]:
    """By operator, the seconds that are not those of operators inside it, and how often it ran; what of a call is in
    none of them is ``OWN_CODE``.
    """
    seconds: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    threads = {call.thread for call in calls}
    open_: dict[str, list[Event]] = defaultdict(list)
    # Longer ones first where several begin at once: those are outside.
    listed = [event for event in events if event.kind in ("operator", "call") and event.thread in threads]
    for event in sorted(listed, key=lambda item: (item.begin, -item.end)):
        stack = open_[event.thread]
        while stack and stack[-1].end <= event.begin:
            stack.pop()
        if event.kind == "operator" and not stack:
            continue  # outside of every call
        key = OWN_CODE if event.kind == "call" else event.name
        seconds[key] += event.seconds
        counts[key] += 1
        if stack:
            outer = stack[-1]
            seconds[OWN_CODE if outer.kind == "call" else outer.name] -= event.seconds
        stack.append(event)
    return {key: max(0.0, value) for key, value in seconds.items()}, counts


def _host_findings(operators: Sequence[KernelFacts], total_s: float) -> list[Finding]:
    found = []
    top = operators[0]
    if (top.share or 0.0) >= BIG_SHARE:
        own = top.name == OWN_CODE
        advice = "its loops are what counts: vector instructions, threads, blocking (compiler shows the instructions)"
        found.append(
            hotspot(top, advice if own else "replace it: fuse it with its neighbours, or write it as a kernel")
        )
    moving = [item for item in operators if item.name in MOVING]
    share = sum(item.share or 0.0 for item in moving)
    if share >= 0.1:
        names = ", ".join(item.name for item in moving[:4])
        evidence = f"{percent(share)} of the time goes into copies and fills ({names})"
        advice = "write results where they belong (out=, in-place on tensors of your own), no .contiguous() of what is"
        found.append(Finding(kind="memory", severity=share, evidence=evidence, advice=advice))
    many = [item for item in operators if item.name != OWN_CODE]
    runs = sum(item.launches or 0.0 for item in many)
    spent = sum(item.seconds or 0.0 for item in many)
    if runs >= MANY_OPERATORS and spent / runs < BRIEF_OPERATOR_S and spent > total_s / 4:
        evidence = (
            f"{runs:.3g} operators of torch a call, {duration(spent / runs)} each: mostly what calling them costs"
        )
        advice = "fewer operators: fuse them into one kernel, work done once in the constructor"
        found.append(Finding(kind="launch", severity=min(1.0, spent / total_s), evidence=evidence, advice=advice))
    return found
