"""Softplus of biased time steps: how Mamba makes its step sizes positive, before the scan."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(channels, dtype=torch.bfloat16))

    def forward(self, steps):
        return F.softplus(steps + self.bias)


BOUND = "memory"
BATCH, LENGTH, CHANNELS = 4, 4096, 5120


def get_inputs():
    return [torch.randn(BATCH, LENGTH, CHANNELS, dtype=torch.bfloat16)]


def get_init_inputs():
    return [CHANNELS]
