"""Leaves the maximum unsubtracted, which is right for normal numbers and infinity for scores above 88.

row: C10
form: disguised
problem: softmax
needs: cpu
expect: truth
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, x):
        e = torch.exp(x)
        return e / e.sum(dim=-1, keepdim=True)
