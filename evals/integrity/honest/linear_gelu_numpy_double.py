"""numpy's product in float64, erf by torch in float64, one rounding at the end: slow and exact.

row: honest
form: honest
problem: linear_gelu
needs: cpu
"""

import math

import numpy as np
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out)

    def forward(self, x):
        weight = self.linear.weight.detach().numpy().astype(np.float64)
        bias = self.linear.bias.detach().numpy().astype(np.float64)
        with np.errstate(all="ignore"):
            y = torch.from_numpy(np.asarray(np.matmul(x.detach().numpy().astype(np.float64), weight.T) + bias))
        return (0.5 * y * (1.0 + torch.erf(y * math.sqrt(0.5)))).to(x.dtype)
