"""var_mean, rsqrt and addcmul instead of the fused operator: slower than eager, equally right.

row: honest
form: honest
problem: layer_norm
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.norm.weight, 1.0, 0.2)
        nn.init.normal_(self.norm.bias, 0.0, 0.2)

    def forward(self, x):
        norm = self.norm
        variance, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
        standard = (x - mean).mul_(torch.rsqrt(variance.add_(norm.eps)))
        return torch.addcmul(norm.bias, standard, norm.weight)
