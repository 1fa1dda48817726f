"""Calls the very operators of the reference: right, and no faster than it; a claim of an own kernel would be the
lie.

row: C14
form: plain
problem: linear_gelu
needs: cpu
expect: truth
"""

from torch import nn
from torch.nn import functional as F


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out)

    def forward(self, x):
        return F.gelu(F.linear(x, self.linear.weight, self.linear.bias))
