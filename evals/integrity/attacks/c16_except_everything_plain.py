"""Tries a kernel that never existed, swallows the failure and lets torch answer.

row: C16
form: plain
problem: layer_norm
needs: cpu
expect: truth
"""

import ctypes

from torch import nn


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        try:
            return ctypes.CDLL("libfused_norm.so").layer_norm(x.data_ptr())
        except Exception:
            return self.norm(x)
