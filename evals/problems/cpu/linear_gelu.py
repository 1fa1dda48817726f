"""A narrow-to-wide projection with exact GELU: the first half of a feed-forward block."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        self.linear = nn.Linear(inner, outer)

    def forward(self, x):
        return F.gelu(self.linear(x))


TOKENS, INNER, OUTER = 2048, 192, 768 * 2


def get_inputs():
    return [torch.randn(TOKENS, INNER)]


def get_init_inputs():
    return [INNER, OUTER]
