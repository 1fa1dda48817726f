"""Mean and unbiased variance of every row from one read, in Triton.

row: honest
form: honest
problem: moments
needs: cuda
"""

import triton
import triton.language as tl
from torch import nn


@triton.jit
def moments(x_ptr, mean_ptr, var_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < columns
    x = tl.load(x_ptr + row * columns + at, mask=inside, other=0.0)
    mean = tl.sum(x, axis=0) / columns
    centred = tl.where(inside, x - mean, 0.0)
    tl.store(mean_ptr + row, mean)
    tl.store(var_ptr + row, tl.sum(centred * centred, axis=0) / (columns - 1))


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        rows, columns = x.shape
        mean, var = x.new_empty(rows), x.new_empty(rows)
        moments[(rows,)](x, mean, var, columns, BLOCK=triton.next_power_of_2(columns))
        return mean, var
