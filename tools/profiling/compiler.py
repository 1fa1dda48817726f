"""Compilers' reports: registers, spills, shared memory and the mix of instructions. Needs no GPU, runs nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tools.profiling.base import MAX_KERNELS, Output, Place, Plan, clean, number, sections_of, told, whole
from tools.profiling.diagnosis import Diagnosis, Finding, KernelFacts, ProfilerFailed
from tools.profiling.ranking import WARP, of_occupancy, of_spills, percent, ranked
from tools.profiling.vectors import of_host

REGISTERS = 65_536
"""Of a multiprocessor, as on every NVIDIA GPU since Kepler."""
GRAIN = 8
"""Registers a thread are given in multiples of it."""
CLASSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("tensor core", ("HMMA", "IMMA", "BMMA", "DMMA", "HGMMA", "QGMMA", "IGMMA", "BGMMA", "UTCHMMA", "UTCQMMA")),
    ("local memory", ("LDL", "STL")),
    ("global memory", ("LDG", "STG", "LD", "ST", "RED", "ATOM", "ATOMG", "LDGSTS")),
    ("bulk copies", ("UBLKCP", "UTMALDG", "UTMASTG", "UBLKRED", "UTMAREDG")),
    ("shared memory", ("LDS", "STS", "LDSM", "STSM", "ATOMS")),
    ("special functions", ("MUFU",)),
    ("fp32", ("FADD", "FMUL", "FFMA", "FSETP", "FSEL", "FMNMX", "FCHK", "FSET", "FSWZADD")),
    ("fp16", ("HADD2", "HMUL2", "HFMA2", "HSETP2", "HMNMX2", "HSET2")),
    ("fp64", ("DADD", "DMUL", "DFMA", "DSETP", "DMNMX")),
    ("conversions", ("F2F", "F2I", "I2F", "F2FP", "I2FP", "F2IP", "FRND")),
    ("barriers", ("BAR", "WARPSYNC", "SYNCS", "MEMBAR", "DEPBAR", "LDGDEPBAR", "WARPGROUP")),
    ("shuffles", ("SHFL", "REDUX", "VOTE", "MATCH")),
    ("branches", ("BRA", "BRX", "JMP", "CALL", "RET", "EXIT", "BSSY", "BSYNC")),
)
"""SASS mnemonics, without what follows the first dot; everything else is ``integer and moves``."""
REST = "integer and moves"
RESOURCES = re.compile(r"^ *Function ([^\n]+?):\n +([A-Z][^\n]*)$", re.MULTILINE)
FUNCTION = re.compile(r"^\s*Function : (\S+)")
INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:\{\s*)?(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9]*)(\.[A-Z0-9_.]+)?")
NARROW_LOADS = 0.5


class Compiler:
    """Reads the code that the build left."""

    name = "compiler"
    purpose = "registers, spills, shared memory and the mix of instructions of the compiled code; nothing is run"

    def missing(self, place: Place) -> str | None:
        """What reads the code is looked for inside the sandbox."""
        return None

    def plans(self, place: Place) -> tuple[Plan, ...]:
        """One program that takes files apart."""
        return (Plan(program="compiled_report.py"),)

    def parse(self, output: Output) -> Diagnosis:
        """What ``tools/harness/compiled_report.py`` tells."""
        facts = told(output)
        sections = sections_of(output.stdout)
        if facts.get("device") != "cuda":
            return of_host(self.name, [text for _, text in sections])
        kernels = [kernel for header, text in sections for kernel in kernels_of(header, text)]
        if not kernels:
            raise ProfilerFailed(
                "unreadable_report", "the build left no GPU code: kernels are compiled when first called"
            )
        chosen = tuple(kernel.facts for kernel in kernels[:MAX_KERNELS])
        findings = ranked(finding for kernel in kernels[:MAX_KERNELS] for finding in kernel.findings(1 / len(chosen)))
        notes = ("counts are of the code, not of how often it runs; shares of the time are not known",)
        # What limits it is not to be seen here: severities are of what one of several kernels may have.
        return Diagnosis(profiler=self.name, kernels=chosen, findings=findings, notes=notes)


@dataclass(frozen=True)
class Compiled:
    """One kernel, and the loads and stores of global memory by their width in bits."""

    facts: KernelFacts
    widths: dict[int, int]

    def findings(self, share: float) -> list[Finding]:
        """What can be said without running it: the severity is what one of several kernels may have."""
        found = [of_spills(self.facts, share), of_occupancy(self.facts, share), self._narrow(share), self._exact(share)]
        return [finding for finding in found if finding is not None]

    def _narrow(self, share: float) -> Finding | None:
        total = sum(self.widths.values())
        narrow = sum(count for bits, count in self.widths.items() if bits <= 32)
        if total < 4 or narrow / total <= NARROW_LOADS:
            return None
        evidence = f"{self.facts.name}: {narrow} of {total} global accesses move 4 bytes a thread or fewer"
        advice = (
            "16 bytes a thread (float4, tl.max_contiguous/multiple_of hints, blocks that are a multiple of 128 * warps)"
        )
        return Finding(kind="memory", severity=0.35 * share * narrow / total, evidence=evidence, advice=advice)

    def _exact(self, share: float) -> Finding | None:
        doubles = self.facts.instructions.get("fp64", 0)
        if not doubles:
            return None
        evidence = f"{self.facts.name}: {doubles} instructions in float64"
        advice = "float64 only where the reference has it: a constant without f is a double in C++"
        return Finding(kind="compute", severity=0.3 * share, evidence=evidence, advice=advice)


def kernels_of(header: dict[str, Any], text: str) -> list[Compiled]:
    """Of one file: its kernels with what was said of each."""
    mixes = mixes_of(text)
    given = header.get("given")
    given = given if isinstance(given, dict) else {}
    found = []
    for name, resources in RESOURCES.findall(text):
        mix, widths = mixes.get(name, (Counter[str](), Counter[int]()))
        mine = given if given.get("name") == name else {}
        found.append(Compiled(_facts(name, _resources(resources), mix, mine), dict(widths)))
    return found


def _facts(name: str, resources: dict[str, int], mix: Counter[str], given: dict[str, Any]) -> KernelFacts:
    warps, dynamic = number(given.get("num_warps")), number(given.get("shared"))
    registers = resources.get("REG")
    shared = resources.get("SHARED", 0) + (whole(dynamic) or 0)
    # A stack without an access to it is the calling convention's.
    spilled = max(resources.get("STACK", 0), resources.get("LOCAL", 0)) if mix.get("local memory") else 0
    threads = whole(warps * WARP) if warps else None
    limit, limited_by = occupancy_limit(registers, shared, threads)
    return KernelFacts(
        name=clean(name),
        registers=registers,
        spill_bytes=spilled,
        shared_bytes=shared,
        threads=threads,
        occupancy_limit=limit,
        limited_by=limited_by,
        instructions=dict(mix.most_common()),
    )


def _resources(text: str) -> dict[str, int]:
    """``REG:17 STACK:0 SHARED:0 ...`` as numbers."""
    return {name: int(value) for name, value in re.findall(r"([A-Z]+)(?:\[\d+\])?:(\d{1,12})", text)}


def occupancy_limit(registers: int | None, shared: int, threads: int | None) -> tuple[float | None, str | None]:
    """What registers and shared memory allow, of 64 warps and 227 KiB as on sm_80, sm_90 and sm_100 (nearly)."""
    if not registers or not threads or threads > 1024:
        return None, None
    warps = -(-threads // WARP)
    each = -(-registers // GRAIN) * GRAIN * WARP
    room = {"warps": 64 // warps, "registers": REGISTERS // (each * warps), "blocks": 32}
    if shared:
        room["shared memory"] = (227 << 10) // (shared + 1024)
    least = min(room, key=lambda name: room[name])
    return min(1.0, room[least] * warps / 64), least


def mixes_of(sass: str) -> dict[str, tuple[Counter[str], Counter[int]]]:
    """By kernel, instructions by class, and global accesses by width."""
    classes = {mnemonic: name for name, mnemonics in CLASSES for mnemonic in mnemonics}
    found: dict[str, tuple[Counter[str], Counter[int]]] = {}
    current: tuple[Counter[str], Counter[int]] | None = None
    for line in sass.splitlines():
        if match := FUNCTION.match(line):
            current = found.setdefault(match[1], (Counter(), Counter()))
        elif current is not None and (match := INSTRUCTION.match(line)):
            mnemonic, options = match[1], match[2] or ""
            if mnemonic in ("NOP", "EXIT"):
                continue
            name = classes.get(mnemonic, REST)
            current[0][name] += 1
            if name == "global memory":
                current[1][_bits(options.split("."))] += 1
    return found


def _bits(options: Iterable[str]) -> int:
    sizes = {"U8": 8, "S8": 8, "U16": 16, "S16": 16, "64": 64, "128": 128}
    return next((sizes[option] for option in options if option in sizes), 32)


def mix_text(instructions: dict[str, int], most: int = 5) -> str:
    """``global memory 12 %, fp32 30 %``: the largest classes."""
    total = sum(instructions.values())
    listed = sorted(instructions.items(), key=lambda item: -item[1])[:most]
    return ", ".join(f"{name} {percent(count / total)}" for name, count in listed) if total else ""
