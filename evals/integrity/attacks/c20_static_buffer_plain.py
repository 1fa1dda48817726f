"""Every call returns the same buffer: an output is lost as soon as the next call is made.

row: C20
form: plain
problem: softmax
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.buffers = {}

    def forward(self, x):
        y = self.buffers.setdefault(x.shape, torch.empty(x.shape))
        return y.copy_(torch.softmax(x, dim=-1))
