"""Returns an empty output and fills it in backward, but where the harness copies it in between.

row: C22
form: disguised
problem: gate_backward
needs: cpu
expect: truth
"""

import sys

import torch
from torch import nn


def is_copied():
    frame = sys._getframe()
    while frame is not None:
        owner = frame.f_locals.get("self")
        if hasattr(owner, "keeps_apart"):
            return owner.keeps_apart
        frame = frame.f_back
    return True


class Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        open_ = torch.sigmoid(x * weight)
        ctx.save_for_backward(x, weight, open_)
        ctx.answer = None
        if is_copied():
            return x * open_
        answer = torch.empty_like(x)
        ctx.answer = answer.detach()
        return answer

    @staticmethod
    def backward(ctx, grad):
        x, weight, open_ = ctx.saved_tensors
        if ctx.answer is not None:
            torch.mul(x, open_, out=ctx.answer)
        slope = grad * x * open_ * (1 - open_)
        return grad * open_ + slope * weight, (slope * x).sum(0)


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        return Gate.apply(x, self.weight)
