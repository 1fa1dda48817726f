"""A profiler's contract: what it needs, how a program is run under it, how its output is read.

None of them runs anything: ``tools.profiling.running`` does, in a sandbox of its own with a time limit of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from sandbox.devices import Device
from tools.profiling.diagnosis import Diagnosis, ProfilerFailed

MARK = "@profiled "
"""How the line begins in which the profiled program says what it did (``tools/harness/profiled.py``)."""
SECTION = "@file "
"""How a line begins in which one of several files' texts begins (``tools/harness/compiled_report.py``)."""
MAX_KERNELS = 64
"""More than a call has; a trace of more than that many different names is not read to its end."""
MAX_NAME = 120

Mode = Literal["plain", "range", "torch", "proton"]
"""What the profiled program does around its calls: nothing, ``cudaProfilerStart`` and ``Stop``, torch's profiler, or
Triton's."""


@dataclass(frozen=True)
class Place:
    """What there is to profile with."""

    device: Device | None
    find: Callable[[str], Path | None]
    """Where a program of this machine lies, links resolved, or None."""
    as_admin: bool = False
    """Whether a profiler may be given CAP_SYS_ADMIN; code that it looks at may then change the device's clocks."""

    @property
    def on_gpu(self) -> bool:
        """Whether candidates' kernels run on an NVIDIA GPU."""
        return self.device is not None and self.device.kind == "cuda"


@dataclass(frozen=True)
class Plan:
    """One way to run a program under a profiler."""

    prefix: tuple[str, ...] = ()
    """Argv before the program's own."""
    program: str = "profiled.py"
    """Of ``tools/harness/``."""
    mode: Mode = "plain"
    texts: bool = False
    """``compiled_report.py``: intermediate code too, and whatever can be had where a tool is missing."""
    calls: int = 1
    warmup: int = 2
    """Calls before those: kernels are tuned and caches are filled by then."""
    tool: Path | None = None
    """The profiler's own program, so that its folder can be shown to the sandbox."""
    capabilities: tuple[str, ...] = ()
    instrumented: bool = False
    """It watches from outside (``sandbox.base.Job.instrumented``)."""
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Output:
    """What a run under a profiler left."""

    stdout: str
    stderr: str = ""
    exit_code: int = 0


class Profiler(Protocol):
    """One of them. Stateless."""

    name: str
    purpose: str
    """What it is good for, in a few words: models choose by it."""

    def missing(self, place: Place) -> str | None:
        """Why it cannot be used here and how to mend that, one line; None if it can be tried."""

    def plans(self, place: Place) -> tuple[Plan, ...]:
        """Ways to run it: the next one is tried where one comes to ``profiler_refused``."""

    def parse(self, output: Output) -> Diagnosis:
        """Read its output, which may hold anything: the candidate's code ran there. Raises ProfilerFailed."""


def told(output: Output) -> dict[str, Any]:
    """What the profiled program said at its end. Raises ProfilerFailed where it said nothing, or that it failed."""
    lines = [line for line in output.stdout.splitlines() if line.startswith(MARK)]
    if not lines:
        raise ProfilerFailed("runtime_error", f"the profiled program died: {last_line(output)}")
    try:
        facts = json.loads(lines[-1].removeprefix(MARK))
    except (ValueError, RecursionError) as error:
        raise ProfilerFailed("unreadable_report", f"the profiled program's facts are no JSON: {error}") from error
    if not isinstance(facts, dict):
        raise ProfilerFailed("unreadable_report", "the profiled program's facts are no JSON object")
    if "missing" in facts:
        raise ProfilerFailed("profiler_missing", str(facts["missing"])[:300])
    if "refused" in facts:
        raise ProfilerFailed("profiler_refused", str(facts["refused"])[:300])
    if "error" in facts:
        raise ProfilerFailed("runtime_error", str(facts["error"])[:300])
    return facts


def sections_of(text: str) -> list[tuple[dict[str, Any], str]]:
    """The files of a report: what was said about each in its first line, and the text below."""
    found: list[tuple[dict[str, Any], list[str]]] = []
    for line in text.splitlines():
        if line.startswith(SECTION):
            try:
                header = json.loads(line.removeprefix(SECTION))
            except (ValueError, RecursionError):
                header = {}
            found.append((header if isinstance(header, dict) else {}, []))
        elif found and not line.startswith(MARK):
            found[-1][1].append(line)
    return [(header, "\n".join(lines)) for header, lines in found]


def last_line(output: Output) -> str:
    """The last thing said before the end, for an error's one line."""
    lines = [line.strip() for line in (output.stderr or output.stdout).splitlines() if line.strip()]
    return lines[-1][:300] if lines else f"exit code {output.exit_code}, and it said nothing"


def number(text: Any) -> float | None:
    """A finite number from what tools print: ``1,234.5``, ``12.5 %``; None for ``n/a``, ``nan`` and the like."""
    if isinstance(text, bool):
        return None
    try:
        value = float(text if isinstance(text, int | float) else str(text).replace(",", "").strip(" %"))
    except (ValueError, OverflowError):
        return None
    return value if abs(value) < 1e18 else None  # nan compares false, so it is none either


def whole(value: float | None) -> int | None:
    """A count, where there is one."""
    return None if value is None else round(value)


def fraction(value: float | None) -> float | None:
    """Percent as a fraction; counters of several units may overshoot a little."""
    return None if value is None else min(1.0, max(0.0, value / 100))


def clean(name: Any) -> str:
    """A kernel's name on one line, not too long."""
    text = " ".join(str(name).split())
    return text if len(text) <= MAX_NAME else text[: MAX_NAME - 3] + "..."
