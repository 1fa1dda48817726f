"""A plan's own events as lines; those of its runs are told by ``kernelwright.run_view``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernelwright.output import note
from kernelwright.wording import clock

if TYPE_CHECKING:
    from agent.events import Event

_BOUNDS = {"seconds": "{} active", "tokens": "{} tokens", "dollars": "${}", "candidates": "{} candidates"}


class PlanWatcher:
    """Prints a line for each of a plan's events that is worth one."""

    def __init__(self, total: int) -> None:
        """``total``: how many operators there are."""
        self._total = total
        self._begun: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        """Print the line, if there is one."""
        line = self.line(event.type, event.data)
        if line:
            note(line)

    def line(self, type_: str, data: dict[str, Any]) -> str | None:
        """What is told of an event."""
        name = str(data.get("entry", ""))
        place = ""
        if name:
            place = f"[{self._begun.setdefault(name, len(self._begun) + 1)}/{self._total}] {name}"
        match type_:
            case "plan_started":
                return f"plan {data['plan_id']}: {data['name']}, {self._total} operators"
            case "plan_resumed":
                return f"going on with plan {data['plan_id']}"
            case "entry_started":
                bounds = limits_line(data["limits"])
                return f"{place}: begins{f', at most {bounds}' if bounds else ''}"
            case "entry_resumed":
                return f"{place}: goes on"
            case "entry_ended":
                more = "; tried once more later" if data.get("again") else ""
                return f"{place}: {str(data['status']).replace('_', ' ')}: {data['message']}{more}"
            case "entry_skipped":
                return f"{place}: not begun: {data['reason']}"
            case "plan_finished":
                return f"complete: {data['message']}"
            case "plan_interrupted":
                return str(data["message"])
            case "waiting":
                return f"waits {data['text']}"
            case "waited":
                return f"goes on after {clock(data.get('seconds') or 0.0)}"
            case "warning":
                return f"warning: {data['text']}"
        return None


def limits_line(limits: dict[str, Any]) -> str:
    """``10:00 active, 20 candidates``."""
    shown = {**limits, "seconds": None if limits.get("seconds") is None else clock(limits["seconds"])}
    if shown.get("dollars") is not None:
        shown["dollars"] = f"{shown['dollars']:.4g}"
    return ", ".join(form.format(shown[name]) for name, form in _BOUNDS.items() if shown.get(name) is not None)
