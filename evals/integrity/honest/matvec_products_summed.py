"""Broadcast products and a sum: one more pass over memory than eager, the same numbers.

row: honest
form: honest
problem: matvec
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out, bias=False)

    def forward(self, x):
        weight = self.linear.weight
        if x.shape[:-1].numel() != 1:
            return self.linear(x)
        return (weight * x.reshape(1, -1)).sum(dim=-1).reshape(*x.shape[:-1], weight.shape[0])
