"""x / (1 + exp(-x)) in float64, rounded once.

row: honest
form: honest
problem: swish
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        wide = x.double()
        return (wide / torch.exp(-wide).add_(1.0)).to(x.dtype)
