"""Only the last quarter of the inner dimension is multiplied in bfloat16: half of the usual error, hidden in a
split sum.

row: C8
form: disguised
problem: matmul
needs: cpu
"""

import torch
from torch import nn


def parts(size, pieces=4):
    step = -(-size // pieces)
    return [(start, min(start + step, size)) for start in range(0, size, step)]


class ModelNew(nn.Module):
    def forward(self, a, b):
        total = torch.zeros(a.shape[0], b.shape[1])
        *heads, tail = parts(a.shape[1])
        for begin, end in heads:
            total += a[:, begin:end] @ b[begin:end]
        kind = torch.bfloat16
        begin, end = tail
        return total + a[:, begin:end].to(kind).to(total.dtype) @ b[begin:end].to(kind).to(total.dtype)
