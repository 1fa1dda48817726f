"""How much memory a window's calls come to, and having it ready beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tools.checking import calls_that_fit
from tools.contender import Contender
from tools.inputs import InputSet

RESERVED_OUTPUTS = 8
"""Results, or temporaries of their size, for which memory is touched beforehand."""
MAX_RESERVED_BYTES = 1 << 30
RESERVED_SHARE = 0.1
"""Of what a worker may use, at most: none must die of memory that we touched."""


def calls_of_a_window(form: InputSet, memory_bytes: int) -> int:
    """How many calls on such a set a timed window holds, so that ``reserve`` covers all of them; two at least."""
    results = (_most_reserved(memory_bytes) - form.input_bytes) // max(1, form.output_bytes)
    return max(2, min(calls_that_fit(form), (results - RESERVED_OUTPUTS) // 2))


def reserve(contenders: Sequence[Contender], form: InputSet, calls: int, memory_bytes: int) -> None:
    """Have each hold what it needs while a case is timed: outputs of two windows with what leads to them."""
    size = form.input_bytes + (RESERVED_OUTPUTS + 2 * calls) * form.output_bytes
    size = min(size, _most_reserved(memory_bytes))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda contender: contender.reserve(size), contenders))


def _most_reserved(memory_bytes: int) -> int:
    return min(MAX_RESERVED_BYTES, int(memory_bytes * RESERVED_SHARE))
