"""Rate limits of one model's server: requests and tokens in any sixty seconds, and what it asked to wait itself."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from agent.models.waiting import Clock, Leave

WINDOW_S = 60.0


@dataclass
class Admission:
    """One request that went out."""

    at: float
    tokens: int


class Pacer:
    """Lets requests through at the agreed rate. Shared by the threads of a run.

    A sliding window: what was let through in the sixty seconds before any moment keeps within both limits. A
    request that is larger than the limit on tokens goes alone, or it would never go.
    """

    def __init__(
        self, clock: Clock, requests_per_minute: int | None = None, tokens_per_minute: int | None = None
    ) -> None:
        self._clock = clock
        self._requests = requests_per_minute
        self._tokens = tokens_per_minute
        self._sent: deque[Admission] = deque()
        self._held_until = float("-inf")
        self._lock = threading.Lock()

    def admit(self, tokens: int, leave: Leave) -> Admission:
        """Wait for room, then count the request; ``tokens`` is what it may take."""
        while True:
            with self._lock:
                now = self._clock.now()
                delay = self._delay(now, tokens)
                if delay <= 0:
                    admission = Admission(now, tokens)
                    if self._requests is not None or self._tokens is not None:
                        self._sent.append(admission)
                    return admission
            self._clock.wait(delay, leave)

    def correct(self, admission: Admission, tokens: int) -> None:
        """The request took so many tokens in truth."""
        with self._lock:
            admission.tokens = tokens

    def hold(self, seconds: float) -> None:
        """The server asked to be left alone, by every slot."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock.now() + seconds)

    def _delay(self, now: float, tokens: int) -> float:
        while self._sent and self._sent[0].at <= now - WINDOW_S:
            self._sent.popleft()
        ready = self._held_until
        if self._requests is not None and len(self._sent) >= self._requests:
            ready = max(ready, self._sent[len(self._sent) - self._requests].at + WINDOW_S)
        if self._tokens is not None:
            taken = sum(one.tokens for one in self._sent) + tokens
            for one in self._sent:
                if taken <= self._tokens:
                    break
                taken -= one.tokens
                ready = max(ready, one.at + WINDOW_S)
        return ready - now
