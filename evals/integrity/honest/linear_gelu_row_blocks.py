"""Blocks of 64 rows through the layer and the GELU, so that the product is still in the cache when GELU reads it.

row: honest
form: honest
problem: linear_gelu
needs: cpu
"""

import torch
import torch.nn as nn
from torch.nn import functional as F


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out)

    def forward(self, x):
        if x.dim() != 2 or x.shape[0] == 0:
            return F.gelu(self.linear(x))
        return torch.cat([F.gelu(self.linear(rows)) for rows in x.split(64)])
