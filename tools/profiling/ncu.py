"""Nsight Compute: hardware counters of every kernel of one call, replayed pass by pass."""

from __future__ import annotations

import csv
import io
from collections import defaultdict

from tools.profiling.base import MAX_KERNELS, Output, Place, Plan, clean, fraction, last_line, number, told, whole
from tools.profiling.diagnosis import Diagnosis, KernelFacts, ProfilerFailed
from tools.profiling.ranking import bound_by, by_time, of_kernels, ranked

MAX_LAUNCHES = 40
"""Profiled at most: each is replayed for every pass."""
STALLS = (
    *("barrier", "branch_resolving", "drain", "gmma", "lg_throttle", "long_scoreboard", "math_pipe_throttle"),
    *("membar", "mio_throttle", "no_instruction", "not_selected", "selected", "short_scoreboard", "wait"),
)
STALL = "smsp__average_warps_issue_stalled_{}_per_issue_active.ratio"
LIMITS = {"registers": "registers", "shared_mem": "shared memory", "blocks": "blocks", "warps": "warps"}
METRICS = (
    "gpu__time_duration.sum",
    "dram__throughput.avg.pct_of_peak_sustained_elapsed",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed",
    "sm__warps_active.avg.pct_of_peak_sustained_active",
    "sm__maximum_warps_per_active_cycle_pct",
    "sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_active",
    "smsp__thread_inst_executed_per_inst_executed.ratio",
    "l1tex__t_sector_hit_rate.pct",
    "lts__t_sector_hit_rate.pct",
    "launch__registers_per_thread",
    "launch__shared_mem_per_block",
    "launch__block_size",
    "launch__waves_per_multiprocessor",
    *(f"launch__occupancy_limit_{name}" for name in LIMITS),
    *(STALL.format(name) for name in STALLS),
)
SECTIONS = ("SpeedOfLight", "LaunchStats", "Occupancy", "WarpStateStats", "SchedulerStats")
"""What a version is asked for that does not know one of ``METRICS``: its own selection, under the same names."""
ONE_OR_BOTH = (("CAP_PERFMON",), ("CAP_PERFMON", "CAP_SYS_ADMIN"))
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
SECONDS |= {"second": 1.0, "msecond": 1e-3, "usecond": 1e-6, "nsecond": 1e-9}
BYTES = {"byte": 1, "Kbyte": 1000, "Mbyte": 1_000_000}
HELD = "another profiler holds the device's counters (DCGM, another ncu)"
REFUSALS = {
    "ERR_NVGPUCTRPERM": "the driver does not let it read its counters: run as root, load the nvidia module with "
    "NVreg_RestrictProfilingToAdminUsers=0, or set profile_as_admin in JudgeSettings",
    "Failed to find metric": "this version does not know one of the metrics",
    "unrecognised option": "this version does not know one of the options",
    "Failed to prepare kernel for profiling": HELD,
    "driver resource was unavailable": HELD,
    "Unknown Error on device": "ncu and the driver do not go together",
    "setpriv: ": "this machine's root may not give away the capabilities it needs",
}


class Ncu:
    """``ncu``: how near the kernels are to the device's peaks, and what their warps wait for."""

    name = "ncu"
    purpose = "counters of each kernel: DRAM, multiprocessors, occupancy, what warps wait for"

    def missing(self, place: Place) -> str | None:
        """It needs a GPU and its program."""
        if not place.on_gpu:
            return "ncu reads an NVIDIA GPU's counters, and this target has none: use torch or compiler"
        if place.find("ncu") is None:
            return "ncu is not installed: install Nsight Compute (it comes with the CUDA toolkit)"
        return None

    def plans(self, place: Place) -> tuple[Plan, ...]:
        """Our metrics, else this version's own sections; with CAP_PERFMON, else, where that is allowed, with
        CAP_SYS_ADMIN too. What a report says decides which is tried, and the candidate may write in it.
        """
        tool = place.find("ncu")
        shared = (
            *(str(tool), "--csv", "--page", "raw", "--clock-control", "none", "--profile-from-start", "off"),
            *("--launch-count", str(MAX_LAUNCHES)),
        )
        sections = tuple(word for name in SECTIONS for word in ("--section", name))
        return tuple(
            Plan(
                prefix=(*shared, *chosen),
                mode="range",
                tool=tool,
                capabilities=kept,
                instrumented=True,
            )
            # The smaller privilege first: what it is enough for depends on the driver.
            for kept in ONE_OR_BOTH[: 1 + place.as_admin]
            for chosen in (("--metrics", ",".join(METRICS)), sections)
        )

    def parse(self, output: Output) -> Diagnosis:
        """Its table in the form of ``--csv --page raw``: names, units, then one row a launch."""
        rows = table_of(output.stdout)
        if not rows:
            said = output.stdout + output.stderr
            for marker, why in REFUSALS.items():
                if marker in said:
                    raise ProfilerFailed("profiler_refused", f"ncu: {marker.strip(': ')}: {why}")
            told(output)
            if "No kernels were profiled" in said or "==PROF==" in said:
                raise ProfilerFailed(
                    "unreadable_report", "ncu saw no kernel: a call launches none, or in a child process"
                )
            raise ProfilerFailed("profiler_refused", f"ncu: {last_line(output)}")
        kernels = by_time(kernels_of(rows))
        findings = ranked(of_kernels(kernels))
        seconds = sum(kernel.seconds or 0.0 for kernel in kernels)
        notes = ["ncu runs each kernel by itself with cold caches: gaps between kernels do not show (see torch)"]
        if len(rows) >= MAX_LAUNCHES:
            notes.append(f"only the first {MAX_LAUNCHES} launches of a call were looked at")
        if all(kernel.dram_fraction is None and kernel.sm_fraction is None for kernel in kernels):
            raise ProfilerFailed("profiler_refused", "ncu listed the kernels but no counter of any of them")
        return Diagnosis(
            profiler=self.name,
            bound=bound_by(findings),
            kernels=kernels,
            findings=findings,
            notes=tuple(notes),
            seconds=seconds or None,
        )


def table_of(text: str) -> list[dict[str, str]]:
    """The rows below the header, each value in its unit's base (seconds, bytes); other lines are left out."""
    lines = [line for line in text.splitlines() if line.startswith('"')]
    begin = next((at for at, line in enumerate(lines) if line.startswith('"ID","Process ID"')), None)
    if begin is None:
        return []
    try:
        rows = list(csv.reader(io.StringIO("\n".join(lines[begin:]))))
    except csv.Error as error:
        raise ProfilerFailed("unreadable_report", f"ncu's table cannot be read: {error}") from error
    names, *rest = rows
    units: list[str] = [""] * len(names)
    found = []
    for row in rest:
        if len(row) != len(names):
            continue
        if not row[0].strip():
            units = [unit.strip() for unit in row]
        elif row != names:
            found.append({name: in_base(value, unit) for name, value, unit in zip(names, row, units, strict=True)})
    return found


def in_base(value: str, unit: str) -> str:
    """A value without its unit's multiple; what is no number stays as it is."""
    scale = SECONDS.get(unit) or BYTES.get(unit.split("/")[0])
    read = number(value)
    return value if scale is None or read is None else repr(read * scale)


def kernels_of(rows: list[dict[str, str]]) -> list[KernelFacts]:
    """One for each name: times added, the rest of its longest launch."""
    launches: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        name = clean(row.get("Kernel Name", "unnamed"))
        if name in launches or len(launches) < MAX_KERNELS:
            launches[name].append(row)
    return [_facts(name, group) for name, group in launches.items()]


def _facts(name: str, group: list[dict[str, str]]) -> KernelFacts:
    times = [number(row.get("gpu__time_duration.sum")) for row in group]
    longest = group[max(range(len(group)), key=lambda at: times[at] or 0.0)]

    def get(metric: str) -> float | None:
        return number(longest.get(metric))

    known = [seconds for seconds in times if seconds is not None]
    limits = {said: value for key, said in LIMITS.items() if (value := get(f"launch__occupancy_limit_{key}"))}
    shared = get("launch__shared_mem_per_block")
    if shared is None:
        parts = [get(f"launch__shared_mem_per_block_{kind}") for kind in ("static", "dynamic")]
        shared = sum(part or 0.0 for part in parts) if any(part is not None for part in parts) else None
    return KernelFacts(
        name=name,
        seconds=sum(known) if known else None,
        launches=len(group),
        registers=whole(get("launch__registers_per_thread")),
        shared_bytes=whole(shared),
        threads=whole(get("launch__block_size")),
        occupancy=fraction(get("sm__warps_active.avg.pct_of_peak_sustained_active")),
        occupancy_limit=fraction(get("sm__maximum_warps_per_active_cycle_pct")),
        limited_by=min(limits, key=lambda said: limits[said]) if limits else None,
        waves=get("launch__waves_per_multiprocessor"),
        dram_fraction=fraction(get("dram__throughput.avg.pct_of_peak_sustained_elapsed")),
        sm_fraction=fraction(get("sm__throughput.avg.pct_of_peak_sustained_elapsed")),
        tensor_fraction=fraction(get("sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_active")),
        l1_hit=fraction(get("l1tex__t_sector_hit_rate.pct")),
        l2_hit=fraction(get("lts__t_sector_hit_rate.pct")),
        active_threads=get("smsp__thread_inst_executed_per_inst_executed.ratio"),
        stalls=_stalls(longest),
    )


def _stalls(row: dict[str, str]) -> dict[str, float]:
    """Shares of a warp's time; ``selected`` is when it gets on."""
    read = {name: number(row.get(STALL.format(name))) for name in STALLS}
    known = {name: value for name, value in read.items() if value is not None and value > 0}
    total = sum(known.values())
    return {name: known[name] / total for name in sorted(known, key=lambda name: -known[name])} if total else {}
