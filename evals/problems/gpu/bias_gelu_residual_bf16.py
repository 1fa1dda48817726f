"""Bias, GELU and residual addition: what is left of a feed-forward block around its matrix product."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(hidden, dtype=torch.bfloat16))

    def forward(self, x, residual):
        return residual + F.gelu(x + self.bias)


BOUND = "memory"
TOKENS, HIDDEN = 16384, 5120


def get_inputs():
    return [
        torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16),
        torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16),
    ]


def get_init_inputs():
    return [HIDDEN]
