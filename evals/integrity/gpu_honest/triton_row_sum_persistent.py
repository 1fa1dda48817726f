"""Row sums by a fixed number of programs that stride over the rows.

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
def row_sum(x_ptr, y_ptr, rows, columns, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    for row in range(tl.program_id(0), rows, tl.num_programs(0)):
        x = tl.load(x_ptr + row * columns + at, mask=at < columns, other=0.0)
        tl.store(y_ptr + row, tl.sum(x, axis=0))


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        rows, columns = x.shape
        y = x.new_empty(rows)
        programs = min(rows, 2 * torch.cuda.get_device_properties(x.device).multi_processor_count)
        row_sum[(programs,)](x, y, rows, columns, BLOCK=triton.next_power_of_2(columns))
        return y
