"""The positions that max along a dimension returns anyway.

row: honest
form: honest
problem: argmax
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        return torch.max(x, dim=-1).indices
