"""Caps the grid at 65535 blocks of sixteen and has no loop: the last sixteen elements keep what was there before.

row: R11
form: disguised
problem: quantize
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn

MAX_BLOCKS = 65535


@triton.jit
def to_bytes(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(x_ptr + at, mask=at < n, other=0.0) * 32.0
    whole = tl.floor(value)
    rest = value - whole
    odd = (whole - 2.0 * tl.floor(whole * 0.5)) != 0.0
    whole = tl.where((rest > 0.5) | ((rest == 0.5) & odd), whole + 1.0, whole)
    whole = tl.minimum(tl.maximum(whole, -128.0), 127.0)
    tl.store(y_ptr + at, whole.to(tl.int8), mask=at < n)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty(x.shape, device=x.device, dtype=torch.int8)
        blocks = min(triton.cdiv(x.numel(), 16), MAX_BLOCKS)
        to_bytes[(blocks,)](x, y, x.numel(), BLOCK=16)
        return y
