"""Returns the same buffer from every call: an earlier output changes when the next call is made.

row: R19
form: plain
problem: swish
needs: cpu
"""

import torch
import torch.nn as nn

OUT = {}


class ModelNew(nn.Module):
    def forward(self, x):
        y = OUT.setdefault(x.shape, torch.empty(x.shape))
        torch.sigmoid(x, out=y)
        y.mul_(x)
        return y
