"""Nsight Systems: the device's timeline and the calls of the CUDA library, where it is installed and works."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from tools.profiling.base import Output, Place, Plan, clean, last_line, number, told
from tools.profiling.diagnosis import Diagnosis, ProfilerFailed
from tools.profiling.ranking import bound_by, of_timeline, ranked
from tools.profiling.torch_profiler import Event, kernels_on_device, timeline_of

CALLS = 5
BOTH = (
    'nsys=$1; shift; "$nsys" profile --trace=cuda --sample=none --cpuctxsw=none --capture-range=cudaProfilerApi '
    '--capture-range-end=stop --force-overwrite=true --output=/tmp/profile "$@" && '
    '"$nsys" stats --report cuda_gpu_trace --report cuda_api_trace --format csv --force-export=true '
    "/tmp/profile.nsys-rep"
)
"""Record, then print the two tables; the recording's own file stays in the sandbox."""
BEGIN, LASTED = "Start (ns)", "Duration (ns)"


class Nsys:
    """``nsys``: gaps between kernels and waits of the host, seen from outside."""

    name = "nsys"
    purpose = "the device's timeline: gaps between launches, waits of the host, copies"

    def missing(self, place: Place) -> str | None:
        """It needs a GPU and its program."""
        if not place.on_gpu:
            return "nsys records a GPU's timeline, and this target has none: use torch"
        if place.find("nsys") is None:
            return "nsys is not installed: use torch, which records the same timeline"
        return None

    def plans(self, place: Place) -> tuple[Plan, ...]:
        """A few calls."""
        tool = place.find("nsys")
        prefix = ("/bin/sh", "-c", BOTH, "sh", str(tool))
        return (Plan(prefix=prefix, mode="range", calls=CALLS, tool=tool, instrumented=True),)

    def parse(self, output: Output) -> Diagnosis:
        """The tables of ``nsys stats --format csv``."""
        events = _without_the_harness(events_of(output.stdout))
        if not any(event.kind in ("kernel", "copy", "fill") for event in events):
            facts = told(output)
            if "does not contain CUDA trace data" in output.stdout + output.stderr or facts.get("device") == "cpu":
                raise ProfilerFailed("unreadable_report", "nsys saw no kernel: a call launches none")
            raise ProfilerFailed("profiler_refused", f"nsys: {last_line(output)}")
        whole = Event("call", "all", min(event.begin for event in events), max(event.end for event in events), "")
        timeline = timeline_of(events, [whole] * CALLS)
        findings = ranked(of_timeline(timeline))
        return Diagnosis(
            profiler=self.name,
            bound=bound_by(findings),
            kernels=kernels_on_device(events, CALLS),
            findings=findings,
            seconds=timeline.span_s / CALLS,
        )


def _without_the_harness(events: Iterator[Event]) -> list[Event]:
    """All but the last wait for the device, with which the harness ends the recording."""
    listed = sorted(events, key=lambda event: event.begin)
    waits = [event for event in listed if event.name == "cudaDeviceSynchronize"]
    return [event for event in listed if not waits or event is not waits[-1]]


def events_of(text: str) -> Iterator[Event]:
    """The rows of both tables, wherever they are in the text; a kernel has a grid and a copy has bytes."""
    names: list[str] = []
    for row in csv.reader(line for line in text.splitlines() if line.count(",") > 3):
        if row[:2] == [BEGIN, LASTED]:
            names = row
        elif names and len(row) == len(names):
            event = _event(dict(zip(names, row, strict=True)))
            if event is not None:
                yield event


def _event(row: dict[str, str]) -> Event | None:
    begin, lasted = number(row.get(BEGIN)), number(row.get(LASTED))
    if begin is None or lasted is None:
        return None
    name = clean(row.get("Name", "unnamed"))
    if "Tid" in row:
        kind = "api"
    elif number(row.get("GrdX")) is not None:
        kind = "kernel"
    else:
        kind = "fill" if "memset" in name.lower() else "copy"
    return Event(kind, name, begin * 1e-9, (begin + lasted) * 1e-9, row.get("Tid", ""), _details(row))


def _details(row: dict[str, str]) -> dict[str, object]:
    shared = [number(row.get(f"{part} (MB)")) for part in ("StcSMem", "DymSMem")]
    blocks: Sequence[float | None] = [number(row.get(axis)) for axis in ("BlkX", "BlkY", "BlkZ")]
    found: dict[str, object] = {"registers": number(row.get("Reg/Trd"))}
    if any(size is not None for size in shared):
        found["shared"] = sum(size or 0.0 for size in shared) * 1e6
    if any(size is not None for size in blocks):
        found["block"] = [size or 1.0 for size in blocks]
    return found
