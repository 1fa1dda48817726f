"""Adds tensors of any two layouts, by their strides, tile by tile.

row: honest
form: honest
problem: transpose_add
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def add(a_ptr, b_ptr, y_ptr, rows, columns, a_row, a_column, b_row, b_column, B: tl.constexpr):
    row = (tl.program_id(0) * B + tl.arange(0, B))[:, None]
    column = (tl.program_id(1) * B + tl.arange(0, B))[None, :]
    inside = (row < rows) & (column < columns)
    a = tl.load(a_ptr + row * a_row + column * a_column, mask=inside, other=0.0)
    b = tl.load(b_ptr + row * b_row + column * b_column, mask=inside, other=0.0)
    tl.store(y_ptr + row * columns + column, a + b, mask=inside)


class ModelNew(nn.Module):
    def forward(self, a, b):
        rows, columns = a.shape
        y = torch.empty((rows, columns), device=a.device, dtype=a.dtype)
        grid = (triton.cdiv(rows, 32), triton.cdiv(columns, 32))
        add[grid](a, b, y, rows, columns, *a.stride(), *b.stride(), B=32)
        return y
