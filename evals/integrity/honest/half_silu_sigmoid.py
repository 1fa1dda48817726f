"""x * sigmoid(x) in float64 and one rounding to half at the end.

row: honest
form: honest
problem: half_silu
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        wide = x.double()
        return torch.sigmoid(wide).mul_(wide).to(x.dtype)
