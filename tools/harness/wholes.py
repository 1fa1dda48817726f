"""Whole numbers in answers of 16 bits: what all their roundings hide. Pure, as ``licence``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.harness.arrays import EPS, chunks, module_of
from tools.harness.licence import Expected
from tools.harness.wire import ITEM_BYTES

if TYPE_CHECKING:
    from tools.harness.arrays import Raw

SLACK = 1e-5
"""Of the output's scale: what merging means of parts may lose in float32, where the mean is 0."""


def wrong_wholes(got: Raw, expected: Expected) -> int:
    """In how many elements ``got`` is off where the oracle is a whole number that every such output can hold; 0 where
    eager is off in one of them too, or the output has not 16 bits.

    Sums and products of small whole numbers are whole and exact in float32, in whatever order; who is off there has
    worked in fewer bits than the inputs have. Larger sums say nothing: the output itself is rounded.
    """
    leaf = expected.leaf
    if leaf.dtype not in EPS or ITEM_BYTES[leaf.dtype] != 2:
        return 0
    largest, wrong, scale = 2 / EPS[leaf.dtype], 0, 0.0
    raws = [(got, leaf.dtype), (expected.oracle, expected.oracle_dtype), (expected.eager, leaf.dtype)]
    for _, oracle, _ in chunks(leaf, *raws):
        module = module_of(oracle)
        scale = max(scale, float(module.where(module.isfinite(oracle), abs(oracle), 0.0).max()))
    for x, oracle, eager in chunks(leaf, *raws):
        module = module_of(oracle)
        here = (abs(oracle) <= largest) & (oracle == module.round(oracle))
        if (abs(eager[here] - oracle[here]) > SLACK * scale).any():
            return 0
        wrong += int(module.count_nonzero(~(abs(x[here] - oracle[here]) <= SLACK * scale)))
    return wrong
