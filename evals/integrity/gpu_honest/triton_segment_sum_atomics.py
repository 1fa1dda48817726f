"""Rows added up by index with atomics: right, and not bitwise the same from call to call.

row: honest
form: honest
problem: segment_sum
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def segment_sum(x_ptr, index_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < columns
    target = tl.load(index_ptr + row)
    x = tl.load(x_ptr + row * columns + at, mask=inside, other=0.0)
    tl.atomic_add(y_ptr + target * columns + at, x, mask=inside)


class ModelNew(nn.Module):
    def forward(self, rows, index):
        rows, index = rows.contiguous(), index.contiguous()
        count, columns = rows.shape
        y = torch.zeros(256, columns, device=rows.device, dtype=rows.dtype)
        if count:
            segment_sum[(count,)](rows, index, y, columns, BLOCK=triton.next_power_of_2(columns), num_warps=2)
        return y
