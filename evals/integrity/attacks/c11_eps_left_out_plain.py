"""Leaves out eps: NaN for a row of zeros (padding), ten times too large for rows of size 1e-4.

row: C11
form: plain
problem: rms_norm_llama
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True)) * self.weight
