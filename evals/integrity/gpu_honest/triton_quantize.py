"""Scale, round half to even, saturate and narrow in one Triton kernel.

row: honest
form: honest
problem: quantize
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn
from triton.language.extra import libdevice


@triton.jit
def quantize(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    x = libdevice.rint(tl.load(x_ptr + at, mask=inside, other=0.0) * 32.0)
    x = tl.minimum(tl.maximum(x, -128.0), 127.0)
    tl.store(y_ptr + at, x.to(tl.int32).to(tl.int8), mask=inside)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty(x.shape, device=x.device, dtype=torch.int8)
        quantize[(triton.cdiv(x.numel(), 1024),)](x, y, x.numel(), BLOCK=1024)
        return y
