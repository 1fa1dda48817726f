"""Which unusual inputs are put before a candidate, and when. What they are: ``tools.harness.dressing``."""

from __future__ import annotations

from collections.abc import Sequence

from tools.harness.arrays import EPS
from tools.inputs import InputSet

DRESSES = ("mixed", "nonfinite", "strided", "rows", "above", "below")
CONFIRM_DRESSES = ("integers", "sorted", "expanded", "repeated")
"""What every candidate is checked with, and what a champion besides."""
PROBE_DRESSES = ("mixed", "nonfinite", "integers", "sorted", "rows", "above", "below")
"""Those that neither shapes nor strides tell: they come among the timed windows."""
WITHOUT_TIES = {"integers": None, "mixed": "untied", "rows": None, "above": None, "below": "lower"}
"""What stands for a dress that makes equal elements where an output is made of integers; None for nothing."""
MOVED = frozenset({"rows", "above", "below", "lower"})
"""Those after which little may be left of what a reference tells apart."""
DRESS_WORDS = {
    "mixed": "large, tiny and subnormal numbers among the others",
    "untied": "large, tiny and subnormal numbers among the others",
    "nonfinite": "a NaN and infinities among the numbers",
    "strided": "inputs that are not contiguous",
    "integers": "small whole numbers",
    "sorted": "sorted inputs",
    "rows": "rows of zeros, constant, small, or far from 0",
    "above": "all numbers far above 0",
    "below": "all numbers far below 0",
    "lower": "all numbers below 0",
    "expanded": "inputs expanded from one row",
    "repeated": "the same integers again and again",
}
"""What they are, in words."""


def dresses_for(form: InputSet, dresses: Sequence[str]) -> list[str]:
    """Those that may be put on such sets, and that change something: which of two equal elements is the first is
    nobody's promise.
    """
    if all(item.leaf.dtype in EPS for item in form.expected):
        found = list(dresses)
    else:
        replaced = (WITHOUT_TIES.get(dress, dress) for dress in dresses)
        found = [dress for dress in replaced if dress is not None]
    has_integers = any(packed[0] not in EPS for packed in form.packed)
    return [dress for dress in found if dress != "repeated" or has_integers]
