"""Index of the largest element: the first one among equals, and NaN counts as the largest, as in torch.

row: honest
form: honest
problem: argmax
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def argmax_rows(x_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * columns + at, mask=at < columns, other=-float("inf"))
    x = tl.where(x == 0.0, 0.0, x)  # minus zero equals zero
    bits = x.to(tl.int32, bitcast=True)
    key = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # integers in the order of the numbers
    key = tl.where(x != x, 0x7FFFFFFF, key)
    first = tl.min(tl.where(key == tl.max(key, axis=0), at, BLOCK), axis=0)
    tl.store(y_ptr + row, first.to(tl.int64))


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        rows, columns = x.shape
        y = torch.empty(rows, device=x.device, dtype=torch.int64)
        argmax_rows[(rows,)](x, y, columns, BLOCK=triton.next_power_of_2(columns), num_warps=8)
        return y
