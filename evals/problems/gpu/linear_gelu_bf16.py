"""A projection with bias and GELU: the first half of a transformer's feed-forward block."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        self.linear = nn.Linear(inner, outer, dtype=torch.bfloat16)

    def forward(self, x):
        return F.gelu(self.linear(x))


BOUND = "compute"
TOKENS, INNER, OUTER = 8192, 4096, 16384


def get_inputs():
    return [torch.randn(TOKENS, INNER, dtype=torch.bfloat16)]


def get_init_inputs():
    return [INNER, OUTER]
