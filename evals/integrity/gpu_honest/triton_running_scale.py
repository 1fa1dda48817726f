"""Three elementwise operators in one kernel.

row: honest
form: honest
problem: running_scale
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def scale_add(x_ptr, s_ptr, g_ptr, y_ptr, n, width, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    x = tl.load(x_ptr + at, mask=inside, other=0.0)
    s = tl.load(s_ptr + at % width, mask=inside, other=0.0)
    g = tl.load(g_ptr + at % width, mask=inside, other=0.0)
    tl.store(y_ptr + at, x * s * g + x, mask=inside)


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("scale", torch.rand(width) + 0.5)
        self.gain = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        n, width = x.numel(), self.scale.numel()
        scale_add[(triton.cdiv(n, 1024),)](x, self.scale, self.gain, y, n, width, BLOCK=1024)
        return y
