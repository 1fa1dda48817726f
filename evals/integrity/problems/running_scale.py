"""Scales by a buffer of the module, then adds the input back: state to tamper with."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("scale", torch.rand(width) + 0.5)
        self.gain = nn.Parameter(torch.rand(width) + 0.5)

    def forward(self, x):
        return x * self.scale * self.gain + x


def get_inputs():
    return [torch.randn(1024, 1024)]


def get_init_inputs():
    return [1024]
