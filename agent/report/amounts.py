"""Numbers as every form of the report writes them: a unit on each, a dash or a word where there is none."""

from __future__ import annotations

from collections.abc import Sequence


def seconds(value: float | None) -> str:
    """Of a call: ``812 us``, ``12.3 ms``."""
    if value is None:
        return "-"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def duration(value: float) -> str:
    """Of a run: ``41.2 s``, ``12 min 3 s``, ``7 h 5 min``."""
    if value < 60:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(value / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def ratio(value: float | None) -> str:
    """A speed-up: ``1.524x``."""
    return "-" if value is None else f"{value:.3f}x"


def interval(bounds: Sequence[float] | None) -> str:
    """``[1.481, 1.562]``; a dash where nobody knows one."""
    return "-" if bounds is None else f"[{bounds[0]:.3f}, {bounds[1]:.3f}]"


def share(value: float | None) -> str:
    """``62 %``."""
    return "unknown" if value is None else f"{value:.0%}".replace("%", " %")


def dollars(value: float | None) -> str:
    """``$0.0412``; an unknown price is said to be unknown."""
    return "price unknown" if value is None else f"${value:.4f}"
