"""The definition in torch operators on a float64 copy: subtract the mean, average the squares with n - 1.

row: honest
form: honest
problem: moments
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dim() == 0 or x.shape[-1] < 2:
            return x.mean(dim=-1), x.var(dim=-1)
        wide = x.double()
        mean = wide.mean(dim=-1, keepdim=True)
        squares = wide.sub(mean).square_().sum(dim=-1)
        return mean.squeeze(-1).to(x.dtype), squares.div_(x.shape[-1] - 1).to(x.dtype)
