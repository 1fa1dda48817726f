"""Linear layer, bias and exact GELU in one Triton kernel.

row: honest
form: honest
problem: linear_gelu
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def linear_gelu(x_ptr, w_ptr, b_ptr, y_ptr, m, n, k, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for start in range(0, k, BK):
        at = start + tl.arange(0, BK)
        in_x = (rows[:, None] < m) & (at[None, :] < k)
        in_w = (at[:, None] < k) & (columns[None, :] < n)
        x = tl.load(x_ptr + rows[:, None] * k + at[None, :], mask=in_x, other=0.0)
        w = tl.load(w_ptr + columns[None, :] * k + at[:, None], mask=in_w, other=0.0)
        total = tl.dot(x, w, total, input_precision="ieee")
    total += tl.load(b_ptr + columns, mask=columns < n, other=0.0)[None, :]
    y = 0.5 * total * (1.0 + tl.erf(total * 0.7071067811865476))
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    tl.store(y_ptr + rows[:, None] * n + columns[None, :], y, mask=inside)


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out)

    def forward(self, x):
        x = x.contiguous()
        weight, bias = self.linear.weight.contiguous(), self.linear.bias
        m, k, n = x.shape[0], x.shape[1], weight.shape[0]
        y = torch.empty((m, n), device=x.device, dtype=x.dtype)
        linear_gelu[(triton.cdiv(m, 32), triton.cdiv(n, 32))](x, weight, bias, y, m, n, k, BM=32, BN=32, BK=32)
        return y
