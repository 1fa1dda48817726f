"""A Triton product that is exact for few rows and uses TF32 for many, with the precision passed as an integer.

row: C8
form: disguised
problem: matmul
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def product(a_ptr, b_ptr, c_ptr, m, n, k, MODE: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    inner = tl.arange(0, BK)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for start in range(0, k, BK):
        at = start + inner
        a = tl.load(a_ptr + rows[:, None] * k + at[None, :], mask=(rows[:, None] < m) & (at[None, :] < k), other=0.0)
        inside = (at[:, None] < k) & (columns[None, :] < n)
        b = tl.load(b_ptr + at[:, None] * n + columns[None, :], mask=inside, other=0.0)
        if MODE == 1:
            total = tl.dot(a, b, total, input_precision="tf32")
        else:
            total = tl.dot(a, b, total, input_precision="ieee")
    where = c_ptr + rows[:, None] * n + columns[None, :]
    tl.store(where, total, mask=(rows[:, None] < m) & (columns[None, :] < n))


class ModelNew(nn.Module):
    def forward(self, a, b):
        a, b = a.contiguous(), b.contiguous()
        m, k, n = a.shape[0], a.shape[1], b.shape[1]
        c = torch.empty((m, n), device=a.device, dtype=a.dtype)
        grid = (triton.cdiv(m, 64), triton.cdiv(n, 64))
        product[grid](a, b, c, m, n, k, MODE=int(m * n > 65536), BM=64, BN=64, BK=32)
        return c
