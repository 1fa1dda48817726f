"""Two buffers in turn: the output before the last one is still whole, the one before that is gone.

row: C20
form: disguised
problem: swish
needs: cpu
"""

import itertools

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.rings = {}

    def forward(self, x):
        if x.shape not in self.rings:
            self.rings[x.shape] = itertools.cycle([torch.empty(x.shape), torch.empty(x.shape)])
        return next(self.rings[x.shape]).copy_(x * torch.sigmoid(x))
