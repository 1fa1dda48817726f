"""The plan's own log, in the form of ``agent.events``, and what follows from it.

* ``plan_started`` plan_id, name, entries (names); ``plan_resumed`` plan_id
* ``entry_started`` entry, limits (seconds, tokens, dollars, candidates; None for none)
* ``entry_resumed`` entry
* ``entry_ended`` entry, run_id, status (an outcome's, or ``refused``), stop_reason, message, again (whether it is
  tried once more)
* ``entry_skipped`` entry, reason: no run of it began
* ``plan_interrupted`` message; ``plan_finished`` ended (how many entries by what), message
* ``waiting``, ``waited`` as in a run, what: ``disk``, ``pause`` or ``again``; ``warning`` text
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.events import Event
from agent.plans.plan import Budget

PLAN_EVENTS = frozenset(
    {
        *("plan_started", "plan_resumed", "plan_interrupted", "plan_finished"),
        *("entry_started", "entry_resumed", "entry_ended", "entry_skipped"),
        *("waiting", "waited", "warning"),
    }
)
MAX_ATTEMPTS = 3
"""Times an entry is tried whose infrastructure fails."""


@dataclass
class EntryState:
    """How far an entry has come."""

    limits: Budget | None = None
    """Of its run; None before that began."""
    attempts: int = 0
    """That came to an end."""
    ended: Mapping[str, Any] | None = None
    """Data of the last ``entry_ended`` or ``entry_skipped``."""
    is_open: bool = False
    """Whether a run of it was begun and not seen to end."""

    @property
    def is_done(self) -> bool:
        """Whether nothing more is to come."""
        return not self.is_open and self.ended is not None and not self.ended.get("again")


@dataclass
class PlanState:
    """What the log says, one event at a time."""

    entries: dict[str, EntryState] = field(default_factory=dict)
    has_started: bool = False
    is_interrupted: bool = False
    """Whether somebody stopped it, and nobody has gone on with it."""
    finished: Mapping[str, Any] | None = None
    began: str = ""
    """UTC."""
    last: str = ""
    """Time of the last event."""

    @classmethod
    def of(cls, events: Iterable[Event]) -> PlanState:
        """After these events."""
        state = cls()
        for event in events:
            state.note(event)
        return state

    def entry(self, name: str) -> EntryState:
        """One that nothing is known of has not begun."""
        return self.entries.setdefault(name, EntryState())

    def note(self, event: Event) -> None:
        """Take in one event."""
        data, self.last = event.data, event.time
        match event.type:
            case "plan_started":
                self.has_started, self.began = True, event.time
            case "plan_resumed":
                self.is_interrupted = False
            case "plan_interrupted":
                self.is_interrupted = True
            case "plan_finished":
                self.finished = data
            case "entry_started":
                entry = self.entry(data["entry"])
                entry.limits, entry.is_open = Budget(**data["limits"]), True
            case "entry_resumed":
                self.entry(data["entry"]).is_open = True
            case "entry_ended":
                entry = self.entry(data["entry"])
                entry.is_open, entry.ended, entry.attempts = False, data, entry.attempts + 1
            case "entry_skipped":
                self.entry(data["entry"]).ended = data
