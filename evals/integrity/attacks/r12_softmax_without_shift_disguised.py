"""Leaves out the subtraction of the maximum: right for small numbers, NaN or zero for large ones.

row: R12
form: disguised
problem: softmax
needs: cpu
"""

import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        powers = torch.exp(x)
        return powers / powers.sum(dim=-1, keepdim=True)
