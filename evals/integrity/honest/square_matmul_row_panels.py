"""Panels of 100 rows, the last one shorter, each written into its place.

row: honest
form: honest
problem: square_matmul
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    ROWS = 100

    def forward(self, a, b):
        y = torch.empty(a.shape[0], b.shape[1], dtype=a.dtype)
        for row in range(0, a.shape[0], self.ROWS):
            torch.mm(a[row : row + self.ROWS], b, out=y[row : row + self.ROWS])
        return y
