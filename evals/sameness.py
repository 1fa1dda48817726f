"""How often the same version is called the same: the repeats of one evaluation, parted into two by lot and compared."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

from evals.arms import AGENT
from evals.comparing import Comparison, compare
from evals.reporting import SuiteReport
from tools.errors import RequestError


def parted(report: SuiteReport, seed: int = 0) -> Iterator[Comparison]:
    """Comparisons of one half of the agent's repeats with the other, without end, each parted anew.

    Raises RequestError for an evaluation with fewer than two repeats. Of an odd number one is left out each time.
    """
    repeats = sorted({result.repeat for result in report.of(AGENT)})
    half = len(repeats) // 2
    if half < 1:
        raise RequestError("there is only one repeat, and nothing to set beside it: run eval with --repeats 4")
    lot = random.Random(seed)  # noqa: S311 - which repeats, no secret
    while True:
        chosen = lot.sample(repeats, 2 * half)
        yield compare(*(_only(report, set(part)) for part in (chosen[:half], chosen[half:])))


def counted(report: SuiteReport, times: int, seed: int = 0) -> Counter[str]:
    """What so many such comparisons say."""
    parts = parted(report, seed)
    return Counter(next(parts).word for _ in range(times))


def _only(report: SuiteReport, repeats: set[int]) -> SuiteReport:
    kept = tuple(result for result in report.results if result.repeat in repeats)
    return report.model_copy(update={"results": kept, "repeats": len(repeats)})
