"""ConvNeXt's large depthwise convolution: seven by seven taps for every channel."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels, dtype=torch.float16)

    def forward(self, x):
        return self.conv(x)


BOUND = "compute"
BATCH, CHANNELS, HEIGHT, WIDTH = 64, 192, 56, 56


def get_inputs():
    return [torch.randn(BATCH, CHANNELS, HEIGHT, WIDTH, dtype=torch.float16)]


def get_init_inputs():
    return [CHANNELS]
