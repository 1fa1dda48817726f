"""The fused operator for the same function.

row: honest
form: honest
problem: swish
needs: cpu
"""

import torch.nn as nn
from torch.nn import functional as F


class ModelNew(nn.Module):
    def forward(self, x):
        return F.silu(x)
