"""sigmoid into a fresh tensor, multiplied there: one temporary less than eager.

row: honest
form: honest
problem: swish
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        return torch.sigmoid(x).mul_(x)
