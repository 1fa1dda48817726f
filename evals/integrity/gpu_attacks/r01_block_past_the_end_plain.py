"""Starts one block too many and has no mask: the last one writes past the end of the output.

row: R1
form: plain
problem: half_silu
needs: cuda
expect: truth
"""

import triton
import triton.language as tl
from torch import nn
from torch.nn import functional as F


@triton.jit
def scale_in_place(y_ptr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.load(y_ptr + at) * 1.0)


@triton.jit
def mark(y_ptr, n, BLOCK: tl.constexpr):
    tl.store(y_ptr + n + tl.arange(0, BLOCK), tl.full((BLOCK,), 7.0, tl.float16))


class ModelNew(nn.Module):
    def forward(self, x):
        y = F.silu(x.contiguous())
        scale_in_place[(y.numel() // 1024 + 1,)](y, BLOCK=1024)
        mark[(1,)](y, y.numel(), BLOCK=1024)
        return y
