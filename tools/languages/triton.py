"""Triton: how a candidate file carries its kernels, and what a model is told about it.

A kernel is compiled when it is first launched. The judge has that happen in the build already: it calls the candidate
with tensors that hold nothing, on processors, for a GPU that need not be there (``tools.harness.dry_run``).
"""

from __future__ import annotations

TRITON_GUIDE = """\
A Triton candidate is ONE Python file with its `@triton.jit` kernels and `class ModelNew(nn.Module)`. Kernels are at
module level. Allocate results with torch.empty in forward; never return a buffer that a later call overwrites; never
change an input. Handle inputs that are not contiguous with `.contiguous()`, and nothing to do (no elements) before
you launch: a grid of 0 is an error. Mask what lies behind the end. What is NaN in the reference is NaN here:
tl.maximum and tl.max forget NaN, tl.where(x < 0, 0, x) does not. Offsets beyond 2^31 need `.to(tl.int64)`. Products
of float32 are rounded to TF32 unless you say `tl.dot(a, b, input_precision="ieee")`. Prefer a few configurations that
you chose to `@triton.autotune`, which measures again in every process.

```python
import torch
import torch.nn as nn
import triton
import triton.language as tl


@triton.jit
def relu_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n)
    tl.store(y_ptr + at, tl.where(x < 0.0, 0.0, x), mask=at < n)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        n = x.numel()
        if n:
            relu_kernel[(triton.cdiv(n, 1024),)](x, y, n, BLOCK=1024, num_warps=4)
        return y
```
"""
