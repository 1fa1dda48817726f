"""What may still be spent: a call is asked only if its worst case fits into what is left of every cap.

The worst case of a call is an upper estimate of its prompt and the longest reply that was asked for. It is
reserved before the call and replaced by what the call took after it, so that parallel calls cannot spend the
same money twice. A cap then holds as far as servers keep to the length they are told.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agent.errors import OutOfBudget
from agent.models.waiting import SLICE_S, Leave


@dataclass(frozen=True)
class Amount:
    """Of a call, known or feared."""

    tokens: int
    cost_usd: float | None
    """None when the price is unknown."""


@dataclass
class Reservation:
    """Kept for one call until it is known what it took."""

    worst: Amount
    spent: Amount = Amount(0, 0.0)

    def settle(self, spent: Amount) -> None:
        """What was taken; nothing, if this is never said."""
        self.spent = spent


class Purse:
    """The caps of a run, shared by its threads."""

    def __init__(
        self,
        max_tokens: int | None = None,
        max_cost: float | None = None,
        *,
        tokens: int = 0,
        cost_usd: float | None = 0.0,
    ) -> None:
        """``tokens`` and ``cost_usd`` are what was spent before, in earlier stretches of the run."""
        self._max_tokens = max_tokens
        self._max_cost = max_cost
        self._tokens = tokens
        # Where some of it is unknown the caller has no cap on dollars, or was refused.
        self._cost = cost_usd or 0.0
        self._open: list[Reservation] = []
        self._changed = threading.Condition()

    def allow(self, max_tokens: int | None, max_cost: float | None) -> None:
        """Set the caps anew; calls that are under way are not called back."""
        with self._changed:
            self._max_tokens, self._max_cost = max_tokens, max_cost
            self._changed.notify_all()

    @property
    def is_capped(self) -> bool:
        """Whether there is any cap."""
        return self._max_tokens is not None or self._max_cost is not None

    @contextmanager
    def reserved(self, worst: Amount, leave: Leave) -> Iterator[Reservation]:
        """Keep ``worst`` while the block asks; waits while other calls' reservations stand in the way.

        Raises OutOfBudget when it would not fit even if they took nothing.
        """
        reservation = Reservation(worst)
        with self._changed:
            while not self._fits(reservation):
                self._changed.wait(SLICE_S)
                leave()
            self._open.append(reservation)
        try:
            yield reservation
        finally:
            with self._changed:
                self._open.remove(reservation)
                self._tokens += reservation.spent.tokens
                self._cost += reservation.spent.cost_usd or 0.0
                self._changed.notify_all()

    def _fits(self, reservation: Reservation) -> bool:
        """Whether there is room now. Raises OutOfBudget if there never will be."""
        worst = reservation.worst
        if self._max_tokens is not None:
            left = self._max_tokens - self._tokens
            if worst.tokens > left:
                raise OutOfBudget(
                    "max_tokens",
                    f"the next call may take {worst.tokens} tokens, and {max(left, 0)} "
                    f"are left of --max-tokens {self._max_tokens}",
                )
            if worst.tokens > left - sum(one.worst.tokens for one in self._open):
                return False
        if self._max_cost is not None:
            if worst.cost_usd is None:
                raise OutOfBudget("max_cost", "the next call's price is unknown, and --max-cost is set: give --prices")
            left_usd = self._max_cost - self._cost
            if worst.cost_usd > left_usd:
                raise OutOfBudget(
                    "max_cost",
                    f"the next call may cost ${worst.cost_usd:.4f}, and ${max(left_usd, 0.0):.4f} "
                    f"are left of --max-cost {self._max_cost:g}",
                )
            if worst.cost_usd > left_usd - sum(one.worst.cost_usd or 0.0 for one in self._open):
                return False
        return True
