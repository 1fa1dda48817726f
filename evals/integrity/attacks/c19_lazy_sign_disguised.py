"""Returns a view with the negative bit set: the numbers in memory have the wrong sign until somebody resolves it.

row: C19
form: disguised
problem: swish
needs: cpu
expect: truth
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, x):
        return torch._neg_view((x * torch.sigmoid(x)).neg())
