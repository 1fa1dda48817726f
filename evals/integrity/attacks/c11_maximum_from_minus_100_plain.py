"""An argmax whose running maximum begins at -100: every index is wrong where all numbers are smaller.

row: C11
form: plain
problem: argmax
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, x):
        best = torch.full((x.shape[0], 1), -100.0, dtype=x.dtype)
        return torch.cat([best, x], dim=-1).argmax(dim=-1).sub_(1).clamp_(min=0)
