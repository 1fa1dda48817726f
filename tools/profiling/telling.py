"""A diagnosis as a model reads it: a few lines, the most severe first."""

from __future__ import annotations

from tools.problem import CaseFacts
from tools.problem_text import one_line
from tools.profiling.compiler import mix_text
from tools.profiling.diagnosis import Diagnosis, KernelFacts, ProfileResult
from tools.profiling.ranking import duration, percent
from tools.roofline import roof_of

MOST_FINDINGS = 3
MOST_KERNELS = 5
MOST_NOTES = 3


def diagnosis_text(diagnosis: Diagnosis, artifact: str) -> str:
    """What limits it, the findings with their evidence and advice, the kernels, where the whole report is."""
    time = f", {duration(diagnosis.seconds)} a call under the profiler" if diagnosis.seconds else ""
    lines = [f"{diagnosis.profiler}: bound by {diagnosis.bound}{time}"]
    for number, finding in enumerate(diagnosis.findings[:MOST_FINDINGS], 1):
        lines.append(f"{number}. {finding.kind} ({percent(finding.severity)}): {one_line(finding.evidence)}")
        lines.append(f"   try: {one_line(finding.advice)}")
    if not diagnosis.findings:
        lines.append("nothing stands out")
    if diagnosis.kernels:
        lines.append("kernels:")
        lines += [f"- {kernel_text(kernel)}" for kernel in diagnosis.kernels[:MOST_KERNELS]]
        left = len(diagnosis.kernels) - MOST_KERNELS
        lines += [f"- {left} more"] if left > 0 else []
    lines += [f"note: {one_line(note)}" for note in diagnosis.notes[:MOST_NOTES]]
    if artifact:
        lines.append(f"whole report: read_log what=profile (artifact {artifact[:16]})")
    return "\n".join(lines)


def rates_text(case: CaseFacts, seconds: float | None) -> str:
    """What a call that takes so long achieves of what an operator has to do at least; empty where nobody knows that."""
    if not seconds:
        return ""
    told = [f"{case.bytes_moved / seconds / 1e9:.3g} GB/s"] if case.bytes_moved else []
    told += [f"{case.flops / seconds / 1e9:.3g} GFLOP/s"] if case.flops else []
    if not told:
        return ""
    floor = case.floor if case.floor is not None and case.floor.doubt is None else None
    share = f"; {percent(floor.seconds / seconds)} of what {roof_of([floor.bound])} allows" if floor else ""
    return f"by what the operator has to do at least: {', '.join(told)}{share}"


def kernel_text(kernel: KernelFacts) -> str:
    """One line of what is known of it."""
    facts = [
        None if kernel.share is None else percent(kernel.share),
        None if kernel.seconds is None else duration(kernel.seconds),
        None if kernel.launches is None else f"{kernel.launches:.3g} a call",
        None if kernel.dram_fraction is None else f"DRAM {percent(kernel.dram_fraction)}",
        None if kernel.sm_fraction is None else f"multiprocessors {percent(kernel.sm_fraction)}",
        None if kernel.tensor_fraction is None else f"tensor cores {percent(kernel.tensor_fraction)}",
        None if kernel.occupancy is None else f"occupancy {percent(kernel.occupancy)}",
        None if kernel.occupancy_limit is None else f"occupancy at most {percent(kernel.occupancy_limit)}",
        None if kernel.registers is None else f"{kernel.registers} registers",
        None if not kernel.spill_bytes else f"{kernel.spill_bytes} bytes spilled",
        None if not kernel.shared_bytes else f"{kernel.shared_bytes} bytes shared",
        None if kernel.l2_hit is None else f"L2 hits {percent(kernel.l2_hit)}",
        mix_text(kernel.instructions) or None,
    ]
    return f"{one_line(kernel.name, 120)}: " + (", ".join(fact for fact in facts if fact) or "nothing known")


def failure_text(result: ProfileResult) -> str:
    """Why there is no diagnosis, and what to do instead."""
    others = {
        "profiler_missing": "call with profiler=auto, or go on without a profile",
        "profiler_refused": "call with profiler=auto, or go on without a profile",
        "unreadable_report": "try another profiler, or go on without a profile",
        "timeout": "try another profiler, or go on without a profile; no fault is implied",
    }
    mend = others.get(result.reason or "", "mend the candidate: test_candidate says more")
    return f"no profile: {result.reason}: {one_line(result.detail, 400)}; {mend}"
