"""The bottom right corner, one tile of 16 by 16, is copied from the tile above it.

row: C13
form: disguised
problem: layer_norm
needs: cpu
"""

from torch import nn


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        y = self.norm(x)
        if x.shape[0] >= 32:
            y[-16:, -16:] = y[-32:-16, -16:]
        return y
