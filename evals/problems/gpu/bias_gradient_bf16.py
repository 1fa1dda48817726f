"""The gradient of a bias in float32: a sum over all tokens, which is the first and strided dimension."""

import torch
from torch import nn


class Model(nn.Module):
    def forward(self, gradient):
        return gradient.sum(dim=0, dtype=torch.float32)


BOUND = "memory"
TOKENS, HIDDEN = 16384, 12288


def get_inputs():
    return [torch.randn(TOKENS, HIDDEN, dtype=torch.bfloat16)]


def get_init_inputs():
    return []
