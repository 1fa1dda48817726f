"""Models that do not answer: left alone for a while, tried again, and given up after a limit.

A run with other models goes on with them. A run without waits, which is a pause: the time does not count. A run
whose models have never answered is not paused but wrong, unless somebody set the limit: it ends at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.activity import Activity
from agent.errors import ModelOut, ModelUnavailable
from agent.models.waiting import SLICE_S, Clock, Leave

FIRST_PAUSE_S = 15.0
LONGEST_PAUSE_S = 600.0
"""Capped: a provider that comes back is noticed within ten minutes."""
DEFAULT_LIMIT_S = 4 * 3600.0
"""Four hours: longer than most providers' failures, shorter than a night."""

Emit = Callable[..., object]


@dataclass
class _Outage:
    since: float
    tries: int
    retry_at: float


class Outages:
    """Which of a run's models are out. Shared by its threads, which tell ``activity`` that they wait."""

    def __init__(
        self,
        names: Sequence[str],
        clock: Clock,
        emit: Emit,
        *,
        limit_s: float | None = None,
        answered: frozenset[str] = frozenset(),
        activity: Activity | None = None,
    ) -> None:
        self._clock, self._emit = clock, emit
        self._limit_s = limit_s
        self._answered = set(answered)
        self._activity = activity or Activity()
        self._out: dict[str, _Outage] = {}
        self._usable = list(names)
        self._lock = threading.RLock()

    def usable(self) -> list[str]:
        """The models that were not dropped."""
        with self._lock:
            return list(self._usable)

    def is_up(self, name: str) -> bool:
        """Whether there is sense in asking it now."""
        with self._lock:
            outage = self._out.get(name)
            return name in self._usable and (outage is None or self._clock.now() >= outage.retry_at)

    def others_up(self, name: str) -> bool:
        """Whether another model can take over."""
        return any(self.is_up(other) for other in self.usable() if other != name)

    def has_answered(self, name: str) -> bool:
        """Whether it ever did in this run."""
        with self._lock:
            return name in self._answered

    def answered(self, name: str) -> None:
        """It answered."""
        with self._lock:
            self._answered.add(name)
            outage = self._out.pop(name, None)
        if outage is not None:
            self._emit("model_resumed", model=name, seconds=round(self._clock.now() - outage.since, 3))

    def drop(self, name: str, reason: str) -> None:
        """It will not be asked again in this stretch of the run."""
        with self._lock:
            if name not in self._usable:
                return
            self._usable.remove(name)
        self._emit("model_paused", model=name, reason=reason, retry_in_s=None)

    def before(self, name: str, leave: Leave) -> None:
        """Before asking: wait for a model that is out. Raises ModelOut if another one can do the work."""
        if self.is_up(name):
            return
        if self.others_up(name) or name not in self.usable():
            raise ModelOut(f"{name} is out")
        self._wait_for(name, leave)

    def failed(self, name: str, error: ModelOut, leave: Leave) -> None:
        """It did not answer after every retry: wait until it may be tried again.

        Raises the error when another model can take over, ModelUnavailable when the limit is reached.
        """
        with self._lock:
            now = self._clock.now()
            begins = name not in self._out
            outage = self._out.setdefault(name, _Outage(now, 0, now))
            limit = self._limit()
            left = outage.since + limit - now
            asked = error.retry_after_s or 0.0
            if now >= outage.retry_at:  # else another slot has just said so
                pause = min(FIRST_PAUSE_S * 2**outage.tries, LONGEST_PAUSE_S)
                # The last try is made at the limit, not before it.
                outage.retry_at = now + max(asked, min(pause, left) if left > 0 else pause)
                outage.tries += 1
            wait = outage.retry_at - now
        others = self.others_up(name)
        if not others and (left <= 0 or asked > left):
            raise ModelUnavailable(self._gave_up(error, now - outage.since, limit)) from error
        if begins:
            self._emit("model_paused", model=name, reason=str(error), retry_in_s=round(wait, 3))
        if others:
            raise error
        if not begins:
            self._emit("notice", text=f"paused: {name} is still out; trying again in {wait:.0f} s")
        self._wait_for(name, leave)

    def _limit(self) -> float:
        if self._limit_s is not None:
            return self._limit_s
        return DEFAULT_LIMIT_S if self._answered else 0.0

    @staticmethod
    def _gave_up(error: ModelOut, waited: float, limit: float) -> str:
        if limit <= 0 or waited <= 0:
            return str(error)
        return f"{error} (given up after {waited:.0f} s of waiting, --max-outage-seconds {limit:g})"

    def _wait_for(self, name: str, leave: Leave) -> None:
        """Until it may be tried again, or has answered somebody else."""
        with self._activity.waiting():
            while (left := self._left(name)) > 0:
                self._clock.wait(min(left, SLICE_S), leave)

    def _left(self, name: str) -> float:
        with self._lock:
            outage = self._out.get(name)
            return 0.0 if outage is None else outage.retry_at - self._clock.now()
