"""Returns NaN everywhere: "the largest difference is above the tolerance" is false for NaN.

row: C18
form: plain
problem: softmax
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, x):
        return torch.full_like(x, float("nan"))
