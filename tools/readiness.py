"""What a candidate left for when it gets ready for the next window, where its code runs off the clock.

Getting ready (dropping old answers, putting the heap in order) is the harness's work, the same for all. What takes a
candidate longer than the baselines belongs to its calls, unless it is what a machine does now and then: then it would
have befallen anybody. So the times are dealt out anew, many times, as if it were by lot whose they are; what hardly
ever comes out as long is the candidate's own. Two questions are asked, and the larger answer counts:

- by medians, which no outlier moves: who leaves work in most of the windows,
- by means, in which every window counts: who leaves it in all of them, and does it in a few.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

CHANCE = 0.015
"""As rarely what is told may come about by lot, by either question."""
DEALS = 4000
LONG = 10
"""Times the slack: whether a mean is longer by lot is asked of what exceeds the usual by twice the slack and more, and
so much of that at most. What the machine takes once, 200 ms where 2 are usual, would else hide all the rest.
"""

Groups = Sequence[tuple[Sequence[float], Sequence[float]]]
"""What getting ready took the candidate, and the baselines, for windows of one kind."""


def told_s(groups: Groups, slack_s: float, most_s: float) -> float:
    """How much longer the candidate takes, all kinds of windows together; 0 where ``slack_s`` or the lot explain it.

    ``most_s``: so much longer than usual a time counts at most.
    """
    import numpy as np

    def long(times: Any, usual: float) -> Any:
        # What is less than twice the slack, and more in the mean, is found by medians.
        return np.clip(times - usual - 2 * slack_s, 0, LONG * slack_s)

    by_medians = _longer(groups, np.median, lambda times, usual: times)
    by_means = _longer(groups, np.mean, lambda times, usual: np.minimum(times - usual, most_s))
    told = [0.0]
    if by_medians > slack_s and _chance(groups, np.median, lambda times, usual: times) < CHANCE:
        told.append(by_medians)
    if by_means > slack_s and _chance(groups, np.mean, long) < CHANCE:
        told.append(by_means)
    return max(told)


def _longer(groups: Groups, middle: Callable[..., Any], seen: Callable[..., Any]) -> float:
    """Than the baselines; ``seen`` makes what is looked at of times and of what is usual."""
    import numpy as np

    longer = 0.0
    for ours, theirs in groups:
        usual = np.median(theirs)
        longer += middle(seen(np.array(ours), usual)) - middle(seen(np.array(theirs), usual))
    return float(longer)


def _chance(groups: Groups, middle: Callable[..., Any], seen: Callable[..., Any]) -> float:
    """How often it comes out as much longer when it is by lot whose the times are."""
    import numpy as np

    lot = np.random.default_rng(0)
    dealt = np.zeros(DEALS)
    for ours, theirs in groups:
        times = seen(np.concatenate([ours, theirs]), np.median(theirs))
        deals = lot.permuted(np.tile(times, (DEALS, 1)), axis=1)
        dealt += middle(deals[:, : len(ours)], axis=1) - middle(deals[:, len(ours) :], axis=1)
    # The same times in another order differ in the last digit.
    return float(np.mean(dealt >= _longer(groups, middle, seen) - 1e-12))
