"""A full descending sort, cut after eight columns and copied so that the rest is not kept alive.

row: honest
form: honest
problem: top_k
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dim() == 0 or x.shape[-1] < 8:
            values, positions = torch.topk(x, 8, dim=-1)
            return values, positions
        values, positions = torch.sort(x, dim=-1, descending=True)
        return values[..., :8].contiguous(), positions[..., :8].contiguous()
