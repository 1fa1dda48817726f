"""The kernel of ``tools.harness.warming``. Imports Triton, and so is imported late."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator]
def warming_kernel(x_ptr, y_ptr, count, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201, N803 - Triton reads annotations
    """What most kernels do once at least: load, compare, reduce, exponentiate, store."""
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < count, other=0.0).to(tl.float32)
    tl.store(y_ptr + at, tl.exp(x - tl.max(x, 0)) / tl.sum(x, 0), mask=at < count)
