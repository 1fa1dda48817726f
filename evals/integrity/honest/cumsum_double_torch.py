"""torch's own cumsum asked for in float64, rounded at the end.

row: honest
form: honest
problem: cumsum
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        return torch.cumsum(x, dim=-1, dtype=torch.float64).to(x.dtype)
