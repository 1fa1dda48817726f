"""Widens to float, applies SiLU in place there, and rounds back to half.

row: honest
form: honest
problem: half_silu
needs: cpu
"""

import torch
import torch.nn as nn
from torch.nn import functional as F


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dtype != torch.float16:
            return F.silu(x)
        return F.silu(x.float(), inplace=True).half()
