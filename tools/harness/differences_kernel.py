"""The kernel of ``tools.harness.differences``. Imports Triton, and so is imported late."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator]
def differences_kernel(x_ptr, y_ptr, found_ptr, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, N803 - Triton reads annotations
    """One block's row: largest ``|y|``, largest ``|x - y|``, sums of squares of ``x - y`` and of ``y``."""
    row = tl.program_id(0).to(tl.int64)
    at = row * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    x = tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32)
    y = tl.load(y_ptr + at, mask=inside, other=0.0).to(tl.float32)
    gap = tl.abs(x - y)
    gap = tl.where(gap == gap, gap, float("inf"))  # the largest of some numbers forgets those that are none
    to = found_ptr + row * 4
    tl.store(to, tl.max(tl.abs(y), 0))
    tl.store(to + 1, tl.max(gap, 0))
    tl.store(to + 2, tl.sum(gap * gap, 0))
    tl.store(to + 3, tl.sum(y * y, 0))
