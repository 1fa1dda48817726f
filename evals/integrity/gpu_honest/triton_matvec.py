"""One row times a large weight in Triton: each program reads a few rows of the weight once.

row: honest
form: honest
problem: matvec
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def matvec(x_ptr, w_ptr, y_ptr, n, k, BN: tl.constexpr, BK: tl.constexpr):
    row = tl.program_id(1)
    outs = tl.program_id(0) * BN + tl.arange(0, BN)
    total = tl.zeros((BN, BK), dtype=tl.float32)
    for start in range(0, k, BK):
        at = start + tl.arange(0, BK)
        x = tl.load(x_ptr + row * k + at, mask=at < k, other=0.0)
        inside = (outs[:, None] < n) & (at[None, :] < k)
        w = tl.load(w_ptr + outs[:, None] * k + at[None, :], mask=inside, other=0.0)
        total += w * x[None, :]
    tl.store(y_ptr + row * n + outs, tl.sum(total, axis=1), mask=outs < n)


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out, bias=False)

    def forward(self, x):
        x = x.contiguous()
        weight = self.linear.weight
        rows, k, n = x.shape[0], x.shape[1], weight.shape[0]
        y = torch.empty((rows, n), device=x.device, dtype=x.dtype)
        matvec[(triton.cdiv(n, 4), rows)](x, weight, y, n, k, BN=4, BK=512, num_warps=4)
        return y
