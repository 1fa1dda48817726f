"""Returns a column instead of a vector, whose difference from the vector broadcasts.

row: C19
form: plain
problem: row_sum
needs: cpu
"""

from torch import nn


class ModelNew(nn.Module):
    def forward(self, x):
        return x.sum(dim=-1, keepdim=True)
