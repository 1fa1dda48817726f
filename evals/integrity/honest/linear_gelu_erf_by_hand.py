"""GELU spelt out with erf, in place in two fresh tensors.

row: honest
form: honest
problem: linear_gelu
needs: cpu
"""

import math

import torch
import torch.nn as nn
from torch.nn import functional as F


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out)

    def forward(self, x):
        y = F.linear(x, self.linear.weight, self.linear.bias)
        gate = (y * math.sqrt(0.5)).erf_().add_(1.0)
        return y.mul_(0.5).mul_(gate)
