"""The derivative written out; the sigmoid of the forward is kept for it.

row: honest
form: honest
problem: gate_backward
needs: cpu
"""

import torch
from torch import nn


class Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        open_ = torch.sigmoid(x * weight)
        ctx.save_for_backward(x, weight, open_)
        return x * open_

    @staticmethod
    def backward(ctx, grad):
        x, weight, open_ = ctx.saved_tensors
        slope = grad * x * open_ * (1 - open_)
        return grad * open_ + slope * weight, (slope * x).sum(0)


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        return Gate.apply(x, self.weight)
