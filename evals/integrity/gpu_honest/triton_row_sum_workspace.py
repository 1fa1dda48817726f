"""Row sums in two stages through a workspace that is kept between calls; the result is always a new tensor.

row: honest
form: honest
problem: row_sum
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def partial_sums(x_ptr, part_ptr, columns, parts, BLOCK: tl.constexpr):
    row, part = tl.program_id(0), tl.program_id(1)
    at = part * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * columns + at, mask=at < columns, other=0.0)
    tl.store(part_ptr + row * parts + part, tl.sum(x, axis=0))


@triton.jit
def final_sums(part_ptr, y_ptr, parts, PARTS: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, PARTS)
    tl.store(y_ptr + row, tl.sum(tl.load(part_ptr + row * parts + at, mask=at < parts, other=0.0), axis=0))


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.workspaces = {}

    def forward(self, x):
        x = x.contiguous()
        rows, columns = x.shape
        parts = triton.cdiv(columns, 512)
        key = (rows, parts, x.device, torch.cuda.current_stream(x.device))
        if key not in self.workspaces:
            self.workspaces[key] = x.new_empty(rows, parts)
        work = self.workspaces[key]
        y = x.new_empty(rows)
        partial_sums[(rows, parts)](x, work, columns, parts, BLOCK=512)
        final_sums[(rows,)](work, y, parts, PARTS=triton.next_power_of_2(parts))
        return y
