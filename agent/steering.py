"""A running search is spoken to: requests are read between two steps, written into the log, and obeyed once.

``agent.control`` says how to ask. A request becomes a ``steered`` event when it is read, with the reason where it
is refused. What it does follows from the log alone: a resumed run knows the hints, targets and limits of before. A
pause ends with the process that obeyed it: whoever resumes a run wants it to go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.activity import Activity
from agent.control import CONTROL, KINDS, LIMITS, ControlFile, Kind, Limit, Request, ask, explain
from agent.ledger import Ledger
from agent.models.waiting import SLICE_S, Clock
from agent.settings import AgentSettings
from agent.stopping import StopFlag
from tools.errors import RequestError
from tools.problem_text import one_line

__all__ = ["CONTROL", "KINDS", "LIMITS", "Kind", "Limit", "Request", "Steering", "ask", "hints_of", "steered_settings"]

ASKED = "a request"
"""The cause of a stop, as ``interrupted by ...`` tells it."""
UNHEARD = "it came while the run was not going on"
_OF_THE_MOMENT = ("pause", "go_on", "stop", "finish")
_KEPT_CHARS = 200
"""Of what is quoted from a request that is refused."""

Emit = Callable[..., object]
Changed = Callable[[AgentSettings], None]


def steered_settings(settings: AgentSettings, steered: Iterable[Mapping[str, Any]]) -> AgentSettings:
    """The settings with what was asked for since; ``steered``: data of the events.

    Raises RequestError for what the settings do not allow.
    """
    changes: dict[str, Any] = {}
    for one in _obeyed(steered):
        if one["kind"] == "target":
            changes["target_speedup"] = one["speedup"]
        elif one["kind"] == "limit":
            changes[one["limit"]] = one["value"]
    if not changes:
        return settings
    try:
        checked = AgentSettings.model_validate(changes)
    except ValidationError as error:
        raise RequestError(explain(error)) from error
    changed = settings.model_copy(update={name: getattr(checked, name) for name in changes})
    changed.check()
    return changed


def hints_of(steered: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """What a person told the model, oldest first; what was said twice, once."""
    return tuple(dict.fromkeys(str(one["text"]).strip() for one in _obeyed(steered) if one["kind"] == "hint"))


def _obeyed(steered: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (one for one in steered if one["refused"] is None)


class Steering:
    """What was asked of a run while it goes on. Shared by its threads; made after the run's log was opened."""

    def __init__(
        self,
        folder: Path,
        settings: AgentSettings,
        ledger: Ledger,
        emit: Emit,
        *,
        stop: StopFlag | None = None,
        clock: Clock | None = None,
        activity: Activity | None = None,
    ) -> None:
        self.stop = stop or StopFlag()
        self.activity = activity or Activity()
        self._given, self._ledger, self._emit = settings, ledger, emit
        self._clock = clock or Clock()
        self._changed: list[Changed] = []
        self._control = ControlFile(folder / CONTROL)
        self._lock = threading.RLock()
        self._paused = self._told = False
        self._before: list[dict[str, Any]] = []
        """Requests that were there already when a run was resumed."""
        if ledger.find("run_started") is not None:
            while found := self._control.read_new()[0]:
                self._before += found
        self._settings = steered_settings(settings, ledger.all("steered"))

    @property
    def settings(self) -> AgentSettings:
        """Those of the run with the targets and limits of now."""
        return self._settings

    def subscribe(self, changed: Changed) -> None:
        """Tell ``changed`` the new settings whenever they change."""
        self._changed.append(changed)

    @property
    def is_finishing(self) -> bool:
        """Whether somebody has seen enough: the best so far is to be confirmed."""
        return any(one["kind"] == "finish" for one in _obeyed(self._ledger.all("steered")))

    def look(self) -> None:
        """Read what was asked. Raises RunInterrupted if it is to stop. Cheap: called at every piece of a reply."""
        with self._lock:
            before, self._before = self._before, []
            for request in before:
                self._take(request, heard=False)
            found, foreign = self._control.read_new()
            for request in found:
                self._take(request, heard=True)
        if foreign:
            self._emit("warning", text=f"{foreign} lines of {CONTROL} are no requests: left out")
        self.stop.check()

    def seam(self) -> None:
        """Between two steps: read what was asked, and wait out a pause. Raises RunInterrupted if it is to stop."""
        self.look()
        if not self._paused:
            return
        with self._lock:
            first, self._told = not self._told, True
        if first:
            self._emit("held")
        with self.activity.waiting():
            while self._paused:
                self._clock.wait(SLICE_S, self.look)

    def _take(self, raw: Mapping[str, Any], *, heard: bool) -> None:
        """Write a request down and do what it says; one that is known already is nothing new."""
        if self._ledger.find("steered", raw["id"]) is not None:
            return
        kind, what, why = str(raw.get("kind", ""))[:_KEPT_CHARS], {}, None
        try:
            request = Request.model_validate(raw)
            what, why = request.what(), self._fault(request, heard=heard)
        except ValidationError as error:
            why = one_line(explain(error), _KEPT_CHARS)
        asked_at = str(raw.get("time", ""))[:40]
        self._emit("steered", request=raw["id"], kind=kind, asked_at=asked_at, refused=why, **what)
        if why is None:
            self._obey(kind)

    def _fault(self, request: Request, *, heard: bool) -> str | None:
        """Why it cannot be done, or None."""
        if not heard and request.kind in _OF_THE_MOMENT:
            return UNHEARD
        try:
            asked = {"kind": request.kind, "refused": None, **request.what()}
            steered_settings(self._given, [*self._ledger.all("steered"), asked])
        except RequestError as error:
            return one_line(str(error), _KEPT_CHARS)
        return None

    def _obey(self, kind: str) -> None:
        if kind == "pause":
            self._paused = True
        elif kind in ("go_on", "finish"):
            self._paused = self._told = False
        elif kind == "stop":
            self.stop.request(ASKED)
        elif kind in ("target", "limit"):
            self._settings = steered_settings(self._given, self._ledger.all("steered"))
            for changed in self._changed:
                changed(self._settings)
