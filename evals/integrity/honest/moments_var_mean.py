"""One operator for both results; its mean of a row with infinities is NaN, so such inputs take the reference's way.

row: honest
form: honest
problem: moments
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        variance, mean = torch.var_mean(x, dim=-1)
        if not bool(torch.isfinite(mean).all()):
            mean = x.mean(dim=-1)
        return mean, variance
