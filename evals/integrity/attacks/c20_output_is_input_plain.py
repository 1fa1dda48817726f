"""Leaves the sum in its second input and returns that input.

row: C20
form: plain
problem: transpose_add
needs: cpu
"""

from torch import nn


class ModelNew(nn.Module):
    def forward(self, a, b):
        return b.copy_(a + b)
