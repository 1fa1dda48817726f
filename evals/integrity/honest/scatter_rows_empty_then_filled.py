"""Honest: memory that is cleared by fill_, then rows added to it.

row: honest
form: honest
problem: scatter_rows
needs: cpu
expect: accepted
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, rows, index):
        out = torch.empty(8192, rows.shape[1]).fill_(0.0)
        out.index_add_(0, index, rows)
        return out
