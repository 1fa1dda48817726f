"""Saturates at -127, not -128: wrong only for the most negative numbers, which are few.

row: C13
form: disguised
problem: quantize
needs: cpu
"""

import torch
from torch import nn


class ModelNew(nn.Module):
    def forward(self, x):
        return torch.clamp(torch.round(x * 32.0), -127, 127).to(torch.int8)
