"""Rounds the operands to bfloat16 and accumulates in single precision: fast on hardware made for it, and within
1e-2.

row: C8
form: plain
problem: linear_gelu
needs: cpu
"""

import torch
from torch import nn
from torch.nn import functional as F


def lower(t):
    return t.to(torch.bfloat16).to(torch.float32)


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out)

    def forward(self, x):
        return F.gelu(F.linear(lower(x), lower(self.linear.weight), self.linear.bias))
