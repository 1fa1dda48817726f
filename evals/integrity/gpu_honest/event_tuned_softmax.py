"""Times two configurations of its own kernel with CUDA events at the first call of a shape and keeps the better one.

row: honest
form: honest
problem: softmax
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def softmax_rows(x_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < columns
    x = tl.load(x_ptr + row * columns + at, mask=inside, other=-float("inf"))
    e = tl.exp(x - tl.max(x, axis=0))
    tl.store(y_ptr + row * columns + at, e / tl.sum(e, axis=0), mask=inside)


def launch(x, y, warps):
    rows, columns = x.shape
    softmax_rows[(rows,)](x, y, columns, BLOCK=triton.next_power_of_2(columns), num_warps=warps)


def milliseconds(x, y, warps):
    launch(x, y, warps)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(10):
        launch(x, y, warps)
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.best = {}

    def forward(self, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        key = tuple(x.shape)
        if key not in self.best:
            self.best[key] = min((4, 8), key=lambda warps: milliseconds(x, y, warps))
        launch(x, y, self.best[key])
        return y
