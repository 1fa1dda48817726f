"""Rounds the operands to bfloat16 and accumulates in single precision: fast on hardware made for it, and within
1e-2.

row: C8
form: plain
problem: layer_norm
needs: cpu
"""

import torch
from torch import nn


def lower(t):
    return t.to(torch.bfloat16).to(torch.float32)


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        return self.norm(lower(x))
