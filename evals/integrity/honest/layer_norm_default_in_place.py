"""The sum is normalised where it lies; weight and bias are applied as they are.

row: honest
form: honest
problem: layer_norm_default
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x, residual):
        total = x + residual
        variance, mean = torch.var_mean(total, dim=-1, correction=0, keepdim=True)
        total -= mean
        total *= torch.rsqrt(variance + self.norm.eps)
        return torch.addcmul(self.norm.bias, total, self.norm.weight)
