"""A full-precision matrix product in Triton with autotuned tiles.

row: honest
form: honest
problem: matmul
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn

CONFIGS = [
    triton.Config({"BM": 32, "BN": 32, "BK": 32}, num_warps=4, num_stages=3),
    triton.Config({"BM": 64, "BN": 32, "BK": 32}, num_warps=4, num_stages=3),
    triton.Config({"BM": 64, "BN": 64, "BK": 16}, num_warps=8, num_stages=2),
]


@triton.autotune(configs=CONFIGS, key=["m", "n", "k"])
@triton.jit
def product(a_ptr, b_ptr, c_ptr, m, n, k, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for start in range(0, k, BK):
        at = start + tl.arange(0, BK)
        in_a = (rows[:, None] < m) & (at[None, :] < k)
        in_b = (at[:, None] < k) & (columns[None, :] < n)
        a = tl.load(a_ptr + rows[:, None] * k + at[None, :], mask=in_a, other=0.0)
        b = tl.load(b_ptr + at[:, None] * n + columns[None, :], mask=in_b, other=0.0)
        total = tl.dot(a, b, total, input_precision="ieee")
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    tl.store(c_ptr + rows[:, None] * n + columns[None, :], total, mask=inside)


class ModelNew(nn.Module):
    def forward(self, a, b):
        a, b = a.contiguous(), b.contiguous()
        m, k, n = a.shape[0], a.shape[1], b.shape[1]
        c = torch.empty((m, n), device=a.device, dtype=a.dtype)
        product[lambda meta: (triton.cdiv(m, meta["BM"]), triton.cdiv(n, meta["BN"]))](a, b, c, m, n, k)
        return c
