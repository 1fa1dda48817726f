"""Squeezes its result: with one row a dimension is gone.

row: R9
form: plain
problem: top_k
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        # One row at a time is kinder to the caches.
        parts = [torch.topk(row, 8) for row in x.unbind(0)]
        values = torch.stack([part.values for part in parts])
        positions = torch.stack([part.indices for part in parts])
        return values.squeeze(), positions.squeeze()
