"""Mask and softmax in one Triton kernel; a row that is masked entirely becomes NaN, as it does in the reference.

row: honest
form: honest
problem: masked_softmax
needs: cuda
"""

import torch
import triton
import triton.language as tl
from torch import nn


@triton.jit
def masked_softmax(x_ptr, m_ptr, y_ptr, columns, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < columns
    x = tl.load(x_ptr + row * columns + at, mask=inside, other=-float("inf"))
    hidden = tl.load(m_ptr + row * columns + at, mask=inside, other=1)
    x = tl.where(hidden != 0, -float("inf"), x)
    e = tl.exp(x - tl.max(x, axis=0))
    tl.store(y_ptr + row * columns + at, e / tl.sum(e, axis=0), mask=inside)


class ModelNew(nn.Module):
    def forward(self, scores, mask):
        scores = scores.contiguous()
        hidden = mask.expand_as(scores).contiguous().view(torch.uint8)
        y = torch.empty_like(scores)
        rows, columns = scores.shape
        masked_softmax[(rows,)](scores, hidden, y, columns, BLOCK=triton.next_power_of_2(columns))
        return y
