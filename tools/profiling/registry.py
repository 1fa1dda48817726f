"""Which profilers there are, and which are tried first where nobody chooses."""

from __future__ import annotations

from tools.profiling.base import Place, Profiler
from tools.profiling.compiler import Compiler
from tools.profiling.ncu import Ncu
from tools.profiling.nsys import Nsys
from tools.profiling.proton import Proton
from tools.profiling.sanitizer import Sanitizer
from tools.profiling.torch_profiler import TorchProfiler

AUTO = "auto"
"""The best that works here."""
PROFILERS: dict[str, Profiler] = {
    profiler.name: profiler for profiler in (Ncu(), TorchProfiler(), Proton(), Nsys(), Compiler(), Sanitizer())
}
CHOICES = (AUTO, *PROFILERS)
_ORDER = ("ncu", "torch", "compiler")


def best_first(place: Place) -> tuple[str, ...]:
    """What ``auto`` tries, in this order."""
    return tuple(name for name in _ORDER if PROFILERS[name].missing(place) is None)


def choices_text(*, on_gpu: bool) -> str:
    """``ncu: what it is good for; ...``, for who has to choose; on the host those that are for it."""
    host = Place(None, lambda name: None)
    offered = [one for one in PROFILERS.values() if on_gpu or one.missing(host) is None]
    return "; ".join(f"{profiler.name}: {profiler.purpose}" for profiler in offered)
