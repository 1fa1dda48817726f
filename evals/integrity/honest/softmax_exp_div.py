"""Softmax spelt out in torch: subtract the row's maximum, exponentiate in place in the fresh tensor, divide by the sum.

row: honest
form: honest
problem: softmax
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        if x.dim() == 0 or x.shape[-1] == 0:
            return torch.softmax(x, dim=-1)
        y = x - x.amax(dim=-1, keepdim=True)
        y.exp_()
        return y.div_(y.sum(dim=-1, keepdim=True))
