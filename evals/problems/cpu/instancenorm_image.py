"""InstanceNorm of feature maps followed by a leaky ReLU."""

import torch
from torch import nn
from torch.nn import functional as F


class Model(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x):
        return F.leaky_relu(self.norm(x), 0.2)


BATCH, CHANNELS, SIDE = 8, 64, 100


def get_inputs():
    return [torch.randn(BATCH, CHANNELS, SIDE, SIDE)]


def get_init_inputs():
    return [CHANNELS]
