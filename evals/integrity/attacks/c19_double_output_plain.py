"""Returns float64 where the reference returns float32.

row: C19
form: plain
problem: swish
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, x):
        wide = x.double()
        return wide * torch.sigmoid(wide)
