"""compute-sanitizer's memcheck: whether a candidate's kernels touch memory that is not theirs."""

from __future__ import annotations

import re

from tools.profiling.base import Output, Place, Plan, clean, last_line, told
from tools.profiling.diagnosis import Diagnosis, Finding, ProfilerFailed

MAX_ERRORS = 20
SUMMARY = re.compile(r"ERROR SUMMARY: (\d+) error")
WRONG = re.compile(
    r"^=+ (Invalid __(?:global|shared|local)__ (?:read|write|atomic)[^\n]*|Misaligned [^\n]*|"
    r"Address [^\n]* out of bounds[^\n]*)\n(?:=+ +at ([^\n]*?)(?:\+0x[0-9a-f]+)?(?: in [^\n]*)?\n)?",
    re.MULTILINE,
)
"""What a kernel did. Calls of the CUDA library that fail are no such thing: torch makes some on purpose."""
CANNOT = ("Unable to", "not supported", "Failed to initialize", "No attachable process", "Internal Sanitizer Error")


class Sanitizer:
    """``compute-sanitizer``: reads and writes out of bounds, misaligned ones."""

    name = "sanitizer"
    purpose = "reads and writes of kernels that go out of bounds (compute-sanitizer memcheck)"

    def missing(self, place: Place) -> str | None:
        """It needs a GPU and its program."""
        if not place.on_gpu:
            return "compute-sanitizer watches kernels of an NVIDIA GPU, and this target has none"
        if place.find("compute-sanitizer") is None:
            return "compute-sanitizer is not installed: it comes with the CUDA toolkit"
        return None

    def plans(self, place: Place) -> tuple[Plan, ...]:
        """One call, with every tensor in an allocation of its own: within torch's pools nothing is out of bounds."""
        tool = place.find("compute-sanitizer")
        prefix = (
            *(str(tool), "--tool", "memcheck", "--report-api-errors", "no", "--print-limit", str(MAX_ERRORS)),
            *("--padding", "32"),
        )
        env = (("PYTORCH_NO_CUDA_MEMORY_CACHING", "1"),)
        return (Plan(prefix=prefix, tool=tool, warmup=0, instrumented=True, env=env),)

    def parse(self, output: Output) -> Diagnosis:
        """Its words on standard output; a run without its summary was no check."""
        said = output.stdout
        summary = SUMMARY.search(said)
        wrong = [(clean(what), clean(where or "a kernel")) for what, where in WRONG.findall(said)]
        if summary is None and not wrong:
            if any(marker in said + output.stderr for marker in CANNOT):
                lines = [line for line in said.splitlines() if any(marker in line for marker in CANNOT)]
                raise ProfilerFailed(
                    "profiler_refused", f"compute-sanitizer: {clean((lines or [last_line(output)])[0])}"
                )
            told(output)
            raise ProfilerFailed("profiler_refused", f"compute-sanitizer said nothing: {last_line(output)}")
        if not wrong:
            told(output)  # a call that failed was not checked to its end
            return Diagnosis(profiler=self.name, notes=("memcheck: no kernel touched memory that is not its own",))
        advice = "check the bounds and masks of this access; the last block and the last row are where it usually is"
        places = dict.fromkeys(wrong)
        findings = tuple(
            Finding(kind="error", severity=1.0, evidence=f"{what} at {where}", advice=advice) for what, where in places
        )
        return Diagnosis(profiler=self.name, findings=findings[:MAX_ERRORS])
