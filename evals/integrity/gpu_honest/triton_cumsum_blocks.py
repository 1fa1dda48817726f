"""Running sums in Triton: a scan of each block, and the sum of the blocks before it.

row: honest
form: honest
problem: cumsum
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def cumsum_rows(x_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    before = 0.0
    for start in range(0, columns, BLOCK):
        at = start + tl.arange(0, BLOCK)
        inside = at < columns
        x = tl.load(x_ptr + row * columns + at, mask=inside, other=0.0)
        tl.store(y_ptr + row * columns + at, before + tl.cumsum(x, axis=0), mask=inside)
        before += tl.sum(x, axis=0)


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        rows, columns = x.shape
        cumsum_rows[(rows,)](x, y, columns, BLOCK=1024)
        return y
