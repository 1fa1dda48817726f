"""SiLU of half-precision numbers, computed in single precision.

row: honest
form: honest
problem: half_silu
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def silu(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(x_ptr + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(y_ptr + at, (x / (1.0 + tl.exp(-x))).to(tl.float16), mask=inside)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        silu[(triton.cdiv(x.numel(), 2048),)](x, y, x.numel(), BLOCK=2048, num_warps=8)
        return y
