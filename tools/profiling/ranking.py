"""From facts to findings: the rules, each a pure function, and their order.

The thresholds are those that NVIDIA's own guides use for a first look: above 60 % of a peak, that is the limit; below
it on both sides, the kernel waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from tools.profiling.diagnosis import Bound, Finding, KernelFacts, Kind

NEAR_PEAK = 0.6
LOW_OCCUPANCY = 0.3
CLEAR_STALL = 0.25
WARP = 32
DIVERGENT = 24.0
"""Active threads of 32, below which it is worth a word."""
SMALL_KERNEL_S = 10e-6
"""A kernel no longer than it takes to launch the next."""
IDLE = 0.15
BIG_SHARE = 0.5

WAITS: dict[str, str] = {
    "long_scoreboard": "memory: keep more loads in flight (wider vector loads, unrolling, num_stages or cp.async/TMA "
    "prefetch, more warps)",
    "short_scoreboard": "shared memory or special functions: fewer exp/log/div, no bank conflicts (pad or swizzle), "
    "warp shuffles instead of shared memory",
    "barrier": "other warps at a barrier: fewer __syncthreads, smaller blocks, reductions within a warp",
    "mio_throttle": "the shared-memory and special-function queue: wider shared accesses, fewer of them",
    "lg_throttle": "the queue of global accesses: fewer and wider ones (16 bytes a thread)",
    "math_pipe_throttle": "a busy arithmetic pipe: fewer or cheaper operations, tensor cores",
    "wait": "fixed latencies of its own instructions: more independent work a thread",
    "no_instruction": "instructions: shorter code, less unrolling",
    "gmma": "tensor-core groups: deeper pipelines, larger tiles",
    "membar": "memory fences: fewer of them",
    "branch_resolving": "branches: fewer of them, predication",
    "drain": "stores at the kernel's end: coalesced stores",
    "not_selected": "other warps that run: nothing to mend",
}


@dataclass(frozen=True)
class Timeline:
    """What happened between a call's beginning and its end, on the device and on the host."""

    calls: int
    span_s: float
    """From the first kernel's beginning to the last one's end, all calls together."""
    busy_s: float
    """In which something ran on the device."""
    launches: int = 0
    syncs: int = 0
    """Times the host waited for the device."""
    sync_names: tuple[str, ...] = ()
    copies: int = 0
    """Between host and device."""
    copied_s: float = 0.0


def percent(fraction: float) -> str:
    """``0.873`` as ``87 %``."""
    return f"{100 * fraction:.0f} %"


def duration(seconds: float) -> str:
    """Seconds with a unit that people read."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"


def of_memory(kernel: KernelFacts, share: float) -> Finding | None:
    """DRAM is the limit."""
    if kernel.dram_fraction is None or kernel.dram_fraction < NEAR_PEAK:
        return None
    if kernel.sm_fraction is not None and kernel.sm_fraction > kernel.dram_fraction:
        return None
    advice = "move fewer bytes: fuse neighbouring operators, read each input once, keep intermediates in registers"
    if kernel.dram_fraction > 0.85:
        advice += "; this kernel is near the device's ceiling, so only less traffic makes it faster"
    evidence = f"{kernel.name}: DRAM at {percent(kernel.dram_fraction)} of its peak"
    return Finding(kind="memory", severity=share * kernel.dram_fraction, evidence=evidence, advice=advice)


def of_compute(kernel: KernelFacts, share: float) -> Finding | None:
    """The multiprocessors' units are the limit."""
    if kernel.sm_fraction is None or kernel.sm_fraction < NEAR_PEAK:
        return None
    if kernel.dram_fraction is not None and kernel.dram_fraction >= kernel.sm_fraction:
        return None
    evidence = f"{kernel.name}: multiprocessors at {percent(kernel.sm_fraction)} of their peak"
    advice = "fewer or cheaper instructions: hoist what repeats, vectorise addresses, cheaper equivalent mathematics"
    if kernel.tensor_fraction is not None:
        evidence += f", tensor cores active {percent(kernel.tensor_fraction)}"
        if kernel.tensor_fraction < 0.05:
            advice += "; products belong on the tensor cores (tl.dot, mma) where the precision allows it"
    return Finding(kind="compute", severity=share * kernel.sm_fraction, evidence=evidence, advice=advice)


def of_latency(kernel: KernelFacts, share: float) -> Finding | None:
    """Neither is: warps wait."""
    if kernel.dram_fraction is None or kernel.sm_fraction is None:
        return None
    peak = max(kernel.dram_fraction, kernel.sm_fraction)
    if peak >= NEAR_PEAK:
        return None
    said = f"{kernel.name}: DRAM {percent(kernel.dram_fraction)}, multiprocessors {percent(kernel.sm_fraction)}"
    waits = {name: part for name, part in kernel.stalls.items() if name not in ("selected", "not_selected")}
    advice = "more work in flight: more warps, more independent loads a thread, a larger grid"
    if waits:
        name = max(waits, key=lambda key: waits[key])
        if waits[name] >= CLEAR_STALL:
            said += f"; warps spend {percent(waits[name])} waiting ({name})"
            advice = "they wait for " + WAITS.get(name, f"{name}: see the profiler's guide")
    return Finding(kind="latency", severity=share * (1 - peak) * 0.9, evidence=said, advice=advice)


def of_grid(kernel: KernelFacts, share: float) -> Finding | None:
    """Too few blocks to fill the device, or a last round that is mostly empty."""
    if kernel.waves is None or kernel.waves <= 0:
        return None
    if kernel.waves < 0.9:
        evidence = f"{kernel.name}: its blocks fill {percent(kernel.waves)} of the places for blocks"
        advice = "more blocks: smaller tiles, split the reduction (split-K), several rows' parts in parallel"
        return Finding(kind="occupancy", severity=share * (1 - kernel.waves), evidence=evidence, advice=advice)
    rounds = int(kernel.waves)
    tail = kernel.waves - rounds
    if rounds <= 3 and 0 < tail < 0.5:
        evidence = f"{kernel.name}: {kernel.waves:.2f} rounds of blocks, the last one {percent(tail)} full"
        advice = "a grid that is a multiple of what the device holds, or persistent blocks that loop"
        lost = (1 - tail) / (rounds + 1)
        return Finding(kind="occupancy", severity=share * lost * 0.5, evidence=evidence, advice=advice)
    return None


def of_occupancy(kernel: KernelFacts, share: float) -> Finding | None:
    """Few warps, where the limit is one that can be mended and neither unit is near its peak."""
    if max(kernel.dram_fraction or 0.0, kernel.sm_fraction or 0.0) >= NEAR_PEAK:
        return None
    seen = kernel.occupancy if kernel.occupancy is not None else kernel.occupancy_limit
    if seen is None or seen >= LOW_OCCUPANCY:
        return None
    evidence = f"{kernel.name}: {percent(seen)} of the warps a multiprocessor can hold"
    if kernel.limited_by and kernel.occupancy_limit is not None:
        evidence += f"; {kernel.limited_by} allow{'' if kernel.limited_by.endswith('s') else 's'} "
        evidence += f"{percent(kernel.occupancy_limit)}"
    if kernel.registers is not None:
        evidence += f", {kernel.registers} registers a thread"
    advice = {
        "registers": "fewer registers: smaller tiles a thread, __launch_bounds__ or maxnreg, as long as nothing spills",
        "shared memory": "less shared memory: smaller tiles, fewer stages",
        "warps": "smaller blocks, so that more of them fit",
        "blocks": "larger blocks",
    }.get(kernel.limited_by or "", "a larger grid, smaller tiles, or more independent work in each thread")
    return Finding(kind="occupancy", severity=share * (1 - seen) * 0.6, evidence=evidence, advice=advice)


def of_spills(kernel: KernelFacts, share: float) -> Finding | None:
    """Values that live in local memory."""
    if not kernel.spill_bytes:
        return None
    evidence = f"{kernel.name}: {kernel.spill_bytes} bytes of local memory a thread"
    if kernel.registers is not None:
        evidence += f" at {kernel.registers} registers"
    advice = "smaller tiles or more warps, fewer live values, a higher register limit; arrays indexed by constants only"
    severity = share * min(0.9, 0.3 + kernel.spill_bytes / 512)
    return Finding(kind="spills", severity=severity, evidence=evidence, advice=advice)


def of_divergence(kernel: KernelFacts, share: float) -> Finding | None:
    """Threads of a warp that do nothing."""
    if kernel.active_threads is None or not 0 < kernel.active_threads < DIVERGENT:
        return None
    evidence = f"{kernel.name}: {kernel.active_threads:.1f} of {WARP} threads of a warp are active on average"
    advice = "branches that whole warps take alike, masks instead of loops of different lengths, rows sorted by length"
    severity = share * (1 - kernel.active_threads / WARP) * 0.7
    return Finding(kind="divergence", severity=severity, evidence=evidence, advice=advice)


RULES: tuple[Callable[[KernelFacts, float], Finding | None], ...] = (
    of_memory,
    of_compute,
    of_latency,
    of_grid,
    of_occupancy,
    of_spills,
    of_divergence,
)
"""Of one kernel, given its share of the time."""


def of_kernels(kernels: Sequence[KernelFacts]) -> list[Finding]:
    """What the rules say of each; a kernel whose share nobody knows counts as one among equals."""
    found: list[Finding] = []
    for kernel in kernels:
        share = kernel.share if kernel.share is not None else 1 / len(kernels)
        found += [finding for rule in RULES if (finding := rule(kernel, min(1.0, share))) is not None]
    return found


def of_timeline(timeline: Timeline) -> list[Finding]:
    """Gaps between kernels, waits of the host, copies."""
    found = []
    calls, span = max(1, timeline.calls), timeline.span_s
    idle = 1 - timeline.busy_s / span if span > 0 else 0.0
    each = timeline.busy_s / timeline.launches if timeline.launches else 0.0
    if idle > IDLE and timeline.launches:
        evidence = f"the device has nothing to do for {percent(idle)} of the time: {timeline.launches / calls:.3g} "
        evidence += f"launches a call of {duration(each)} each (the profiler itself adds to each launch)"
        advice = (
            "fewer launches: fuse kernels, no small operators of torch around them, constant work in the constructor"
        )
        found.append(Finding(kind="launch", severity=min(1.0, idle), evidence=evidence, advice=advice))
    elif timeline.launches > 2 * calls and each < SMALL_KERNEL_S:
        evidence = f"{timeline.launches / calls:.3g} launches a call, {duration(each)} each"
        found.append(Finding(kind="launch", severity=0.4, evidence=evidence, advice="fuse them into fewer kernels"))
    if timeline.syncs:
        names = ", ".join(timeline.sync_names[:3])
        evidence = f"the host waits for the device {timeline.syncs / calls:.3g} times a call ({names})"
        advice = "no .item(), .tolist(), bool(tensor), nonzero or synchronize in forward; keep decisions on the device"
        found.append(Finding(kind="sync", severity=min(0.9, 0.4 + idle), evidence=evidence, advice=advice))
    if timeline.copies:
        part = timeline.copied_s / span if span > 0 else 0.0
        evidence = f"{timeline.copies / calls:.3g} copies between host and device a call, {percent(part)} of the time"
        advice = "make constants on the device, once, in the constructor; nothing of forward on the host"
        found.append(Finding(kind="transfer", severity=min(1.0, 0.3 + part), evidence=evidence, advice=advice))
    return found


def ranked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The most severe first; of equals, in the order of kinds, so that the same facts always read the same."""
    order = get_args(Kind)
    return tuple(sorted(findings, key=lambda item: (-item.severity, order.index(item.kind), item.evidence)))


def bound_by(findings: Sequence[Finding]) -> Bound:
    """What limits the whole: the most severe finding that says so."""
    for finding in findings:
        if finding.kind in ("memory", "compute", "latency", "occupancy", "launch"):
            return finding.kind
        if finding.kind in ("sync", "transfer"):
            return "launch"
        if finding.kind in ("spills", "divergence"):
            return "latency"
    return "unknown"


def by_time(kernels: Iterable[KernelFacts]) -> tuple[KernelFacts, ...]:
    """The one that takes longest first, with the shares filled in where times are known."""
    listed = sorted(kernels, key=lambda kernel: (-(kernel.seconds or 0.0), kernel.name))
    total = sum(kernel.seconds or 0.0 for kernel in listed)
    if total <= 0:
        return tuple(listed)
    return tuple(kernel.model_copy(update={"share": (kernel.seconds or 0.0) / total}) for kernel in listed)
