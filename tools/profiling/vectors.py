"""How wide a processor's compiled code computes: its floating-point instructions, counted by the width of registers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tools.profiling.base import MAX_KERNELS, clean
from tools.profiling.diagnosis import Diagnosis, Finding, KernelFacts, ProfilerFailed
from tools.profiling.ranking import percent, ranked

FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
INSTRUCTION = re.compile(
    r"^\s*[0-9a-f]+:\s+(v?(?:add|sub|mul|div|sqrt|min|max|cmp[a-z]*|fn?m(?:add|sub)[0-9]*)([ps])[sd])\s+(.*)$"
)
"""x86-64's arithmetic on floats: ``p`` for packed, ``s`` for one number."""
WIDTHS = (("zmm", "512-bit vectors"), ("ymm", "256-bit vectors"), ("xmm", "128-bit vectors"))
SCALAR = "one number"
ENOUGH = 4
FEW = 0.5


def of_host(profiler: str, texts: Sequence[str]) -> Diagnosis:
    """Of libraries that objdump took apart. Raises ProfilerFailed where there are none."""
    if not texts:
        raise ProfilerFailed("unreadable_report", "the build left no compiled code: this candidate has none of its own")
    functions: dict[str, Counter[str]] = {}
    for text in texts:
        functions |= counted(text)
    chosen = sorted(functions.items(), key=lambda pair: (-sum(pair[1].values()), pair[0]))[:MAX_KERNELS]
    kernels = tuple(KernelFacts(name=clean(name), instructions=dict(mix.most_common())) for name, mix in chosen)
    total = sum(sum(mix.values()) for _, mix in chosen)
    findings = ranked(finding for name, mix in chosen if (finding := _scalar(clean(name), mix, total)) is not None)
    notes = ["counts are of the code, not of how often it runs"]
    if not kernels:
        notes.append("no floating-point arithmetic of x86-64 was found in it")
    return Diagnosis(profiler=profiler, kernels=kernels, findings=findings, notes=tuple(notes))


def counted(code: str) -> dict[str, Counter[str]]:
    """By function, arithmetic instructions by width; functions with none are left out."""
    found: dict[str, Counter[str]] = {}
    current: Counter[str] = Counter()
    for line in code.splitlines():
        if match := FUNCTION.match(line):
            current = found.setdefault(match[1], Counter())
        elif match := INSTRUCTION.match(line):
            width = next((name for register, name in WIDTHS if register in match[3]), SCALAR)
            current[width if match[2] == "p" else SCALAR] += 1
    return {name: mix for name, mix in found.items() if mix}


def _scalar(name: str, mix: Counter[str], total: int) -> Finding | None:
    size = sum(mix.values())
    part = mix[SCALAR] / size
    if size < ENOUGH or part <= FEW:
        return None
    evidence = f"{name}: {percent(part)} of its {size} arithmetic instructions work on one number at a time"
    advice = "#pragma omp simd, __restrict pointers, no branches or calls in the inner loop, several sums side by side"
    return Finding(kind="compute", severity=min(1.0, part * size / total), evidence=evidence, advice=advice)
