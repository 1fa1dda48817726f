"""Counts the boundaries that are smaller instead of searching; NaN comes last, as torch has it.

row: honest
form: honest
problem: bucketize
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, x, boundaries):
        found = torch.zeros(x.shape, dtype=torch.int64)
        for boundary in boundaries:
            found += ~(boundary >= x)
        return found
