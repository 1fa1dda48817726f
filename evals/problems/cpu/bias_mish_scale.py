"""Epilogue of a convolution: per-channel bias, mish, per-channel scale, clamp."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.randn(channels, 1, 1))
        self.scale = nn.Parameter(torch.rand(1, channels, 1, 1) + 0.5)

    def forward(self, x):
        x = x + self.bias
        x = x * torch.tanh(F.softplus(x))
        return torch.clamp(x * self.scale, -1.0, 4.0)


BATCH, CHANNELS, SIDE = 16, 64, 72


def get_inputs():
    return [torch.randn(BATCH, CHANNELS, SIDE, SIDE)]


def get_init_inputs():
    return [CHANNELS]
