"""Keeps a transposed copy of the weight in slices of the inner dimension, renewed whenever the parameter has changed.

row: honest
form: honest
problem: matvec
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def __init__(self, width, out):
        super().__init__()
        self.linear = nn.Linear(width, out, bias=False)
        self.cached_for = None
        self.columns = None

    def transposed(self):
        weight = self.linear.weight
        state = (weight._version, weight.data_ptr())
        if self.cached_for is None or self.cached_for[0] is not weight or self.cached_for[1] != state:
            slices = 8 if weight.shape[1] % 8 == 0 else 1
            columns = weight.detach().t().reshape(slices, weight.shape[1] // slices, weight.shape[0])
            self.columns = columns.contiguous()
            self.cached_for = (weight, state)
        return self.columns

    def forward(self, x):
        columns = self.transposed()
        slices, depth, outs = columns.shape
        if x.shape[-1:] != (slices * depth,):
            return self.linear(x)
        parts = torch.bmm(x.reshape(-1, slices, depth).transpose(0, 1), columns)
        return parts.sum(dim=0).reshape(*x.shape[:-1], outs)
