"""The operator underneath F.layer_norm, called directly for its first result.

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
        return torch.native_layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)[0]
